"""What a command has to train: the runs in cohorts, and the device and workers that they are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropbench.execute.cohorts import Cohort
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec


@dataclass(frozen=True)
class Work:
    """What is to be trained, and by what."""

    cohorts: list[Cohort]
    device: str
    workers: int

    @property
    def groups(self) -> list[Sequence[RunSpec]]:
        """The specs of each cohort."""
        return [cohort.specs for cohort in self.cohorts]


def arranged(specs: Sequence[RunSpec], plan: Plan) -> Work:
    """These runs of a plan in cohorts, for the device and the workers that its settings choose.

    Raises
    ------
    UsageError
        For a device that is not on this machine, and for a logger that is not installed.
    """
    from dropbench.execute.cohort_sizes import CohortSizes
    from dropbench.execute.cohorts import cohorts
    from dropbench.hardware.device import resolve_device, resolve_workers
    from dropbench.loggers import check
    from dropbench.store.checkpoints import Checkpoints

    check(plan.settings.train_loggers)
    device = resolve_device(plan.settings.device)
    workers = resolve_workers(plan.settings, device)
    choose_size = CohortSizes(plan.settings, device, workers)
    places = {run: (at.epoch, at.step) for run, at in Checkpoints(plan.settings.results).latest().items()}
    return Work(cohorts(specs, plan.outlines, plan.settings, device, workers, choose_size, places), device, workers)
