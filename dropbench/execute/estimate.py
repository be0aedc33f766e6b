"""How long a plan would take here, by timing a few steps of each kind of cohort in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dropbench.execute.cohorts import Cohort
from dropbench.hardware.blas import use_threads
from dropbench.identity import OWN
from dropbench.process.apart import apart
from dropbench.spec import Settings


def estimate(cohorts: Sequence[Cohort], settings: Settings, device: str, workers: int) -> float:
    """Seconds of wall clock, if every epoch is trained and the workers share the cohorts evenly.

    Cohorts that differ in nothing but seeds and rates are timed once.
    """
    import torch

    from dropbench.engine.build import build
    from dropbench.engine.timing import seconds_of
    from dropbench.planning.sources import load

    use_threads(settings.execute.threads)
    timed: dict[tuple[str, int], float] = {}
    total = longest = 0.0
    for cohort in cohorts:
        first = cohort.specs[0]
        kind = first.model_copy(
            update={"seed": 0, "dropout": first.dropout.model_copy(update={"rate": 0.0, "rates": {}})}
        )
        key = (kind.run_id, len(cohort))
        if key not in timed:
            table = load(first.data, settings)
            build_it = partial(build, cohort.specs, cohort.outline, table, torch.device(device))
            own = next(iter(first.sources), OWN)
            timed[key] = apart(own, f"training with {own}", lambda make=build_it: seconds_of(make()))  # type: ignore[misc]
        seconds = timed[key]
        total, longest = total + seconds, max(longest, seconds)
    return max(longest, total / workers)
