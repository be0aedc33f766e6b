"""Estimates how long cohorts would take on this machine, by timing a few steps of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from dropbench.execute.cohorts import Cohort, in_common, kinds
from dropbench.hardware.blas import choose, use_threads
from dropbench.hardware.device import present
from dropbench.identity import OWN
from dropbench.process.apart import apart
from dropbench.settings import Settings


class Durations:
    """The seconds of whole cohorts if every epoch is trained.

    Cohorts that differ only in what each replica may have for itself, such as rates and learning rates, are timed once.
    """

    def __init__(self, settings: Settings, device: str) -> None:
        self._settings, self._device = settings, device
        self._timed: dict[tuple[str, tuple[str, ...], int], float] = {}
        self._kinds: dict[int, str] = {}

    def of(self, cohort: Cohort) -> float:
        """Returns the seconds that one worker needs for a cohort."""
        key = (in_common(cohort.specs[0]), kinds(cohort.specs, self._kinds), len(cohort))
        if key not in self._timed:
            self._timed[key] = self._time(cohort)
        return self._timed[key]

    def _time(self, cohort: Cohort) -> float:
        import torch

        from dropbench.engine.build import build
        from dropbench.engine.timing import seconds_of
        from dropbench.planning.sources import load

        use_threads(self._settings.execute.threads)
        choose(self._settings.execute.products)
        first = cohort.specs[0]
        table = load(first.data, self._settings)
        build_it = partial(build, cohort.specs, cohort.outline, table, torch.device(present(self._device)))
        own = next(iter(first.sources), OWN)
        return apart(own, f"training with {own}", lambda: seconds_of(build_it()))


def estimate(
    cohorts: Sequence[Cohort], durations: Durations, workers: int, trained: Mapping[str, float] | None = None
) -> float:
    """Returns the seconds of wall clock if the workers share the cohorts evenly.

    trained: by run id, the share of a run that is done already.
    """
    done = trained or {}
    seconds = [durations.of(cohort) * (1 - min(done.get(s.run_id, 0.0) for s in cohort.specs)) for cohort in cohorts]
    return max([sum(seconds) / workers, *seconds])
