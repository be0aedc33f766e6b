"""How long a plan would take here, by timing a few steps of each kind of cohort in it."""

from __future__ import annotations

from collections.abc import Sequence

from dropbench.hardware.blas import use_threads
from dropbench.spec import RunSpec, Settings


def estimate(cohorts: Sequence[Sequence[RunSpec]], settings: Settings, device: str, workers: int) -> float:
    """Seconds of wall clock, if every epoch is trained and the workers share the cohorts evenly.

    Cohorts that differ in nothing but seeds and rates are timed once.
    """
    import torch

    from dropbench.engine.timing import seconds_per_epoch
    from dropbench.planning.sources import load

    use_threads(settings.execute.threads)
    timed: dict[tuple[str, int], float] = {}
    total = longest = 0.0
    for specs in cohorts:
        first = specs[0]
        kind = first.model_copy(
            update={"seed": 0, "dropout": first.dropout.model_copy(update={"rate": 0.0, "rates": {}})}
        )
        key = (kind.run_id, len(specs))
        if key not in timed:
            timed[key] = seconds_per_epoch(specs, load(first.data, settings), torch.device(device))
        seconds = timed[key] * first.train.epochs
        total, longest = total + seconds, max(longest, seconds)
    return max(longest, total / workers)
