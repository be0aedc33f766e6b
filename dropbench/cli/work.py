"""What a command has to train: the runs in cohorts, with the device and the workers that train them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropbench.execute.agenda import InTime
    from dropbench.execute.cohorts import Cohort
    from dropbench.planning.plan import Plan
    from dropbench.settings import Settings
    from dropbench.spec import RunSpec


MOST_BLOCKS = 50
"""Half of the most blocks of seeds into which cohorts are cut, however short the time."""


@dataclass(frozen=True)
class Work:
    """The cohorts to train, and what trains them."""

    cohorts: list[Cohort]
    device: str
    workers: int
    settings: Settings
    """The settings of the plan, with what they leave open decided."""
    notes: Sequence[str] = ()
    """Messages for the user about how the runs are trained."""
    until: float | None = None
    """When training is to end, by `time.monotonic`; None: when everything is trained."""
    in_time: InTime = lambda cohort: True
    """Returns whether a cohort that starts now is expected to end by `until`."""
    waits: bool = True
    """Whether to wait for runs that other commands train, and take over those that they leave."""

    @property
    def groups(self) -> list[Sequence[RunSpec]]:
        """The runs of each cohort."""
        return [cohort.specs for cohort in self.cohorts]


def arranged(specs: Sequence[RunSpec], plan: Plan, *, trains: bool = False) -> Work:
    """Arrange runs of a plan in cohorts, for the device and the workers that its settings choose.

    trains: whether they are trained now. If so, the choice of matrix products is written to their results folder.

    Raises
    ------
    UsageError
        For a device or a cluster that is not there, and for a logger or a package that is not installed.
    """
    from dropbench.execute.cohort_sizes import CohortSizes
    from dropbench.execute.cohorts import cohorts
    from dropbench.execute.executors import place
    from dropbench.execute.products import settled
    from dropbench.hardware.blas import choose
    from dropbench.loggers import check
    from dropbench.store.checkpoints import Checkpoints

    check(plan.settings.train_loggers)
    at = place(plan.settings)
    settings, notes = settled(plan.settings, at.device, trains=trains and bool(specs))
    choose(settings.execute.products)
    choose_size = CohortSizes(settings, at.device, at.workers, sharing=at.sharing)
    places = {run: (at.epoch, at.step) for run, at in Checkpoints(settings.results).latest().items()}
    made = cohorts(specs, plan.outlines, settings, at.device, at.workers, choose_size, places, at.sharing)
    return Work(made, at.device, at.workers, settings, notes)


def within(work: Work, until: float) -> Work:
    """Return the same work with a time limit.

    If it would take longer, cohorts are cut into blocks of seeds, so that the blocks that end hold all arms. If twice the time
    would be needed, there are four blocks, of which about two end; and so on.

    Parameters
    ----------
    work : Work
        From `arranged`; there is something to train.
    until : float
        The limit, by `time.monotonic`.
    """
    from dropbench.execute.cohorts import by_seeds
    from dropbench.execute.estimate import Durations, estimate
    from dropbench.store.checkpoints import Checkpoints

    durations = Durations(work.settings, work.device)
    needed, there = estimate(work.cohorts, durations, work.workers), until - time.monotonic()
    blocks = 1 if needed <= there else 2 * math.ceil(needed / max(there, needed / MOST_BLOCKS))
    begun = {run: at.epoch - 1 for run, at in Checkpoints(work.settings.results).latest().items()}
    cohorts = by_seeds(work.cohorts, blocks, begun)
    for cohort in cohorts:  # all kinds are timed before anything trains
        durations.of(cohort)

    def in_time(cohort: Cohort) -> bool:
        done = min(begun.get(s.run_id, 0) / s.train.epochs for s in cohort.specs)
        return time.monotonic() + (1 - done) * durations.of(cohort) <= until

    return replace(work, cohorts=cohorts, until=until, in_time=in_time)
