"""`--dry-run`: shows, without training, the arms, their cohorts, the time they would take, and what they could detect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.cli.console import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropbench.cli.stages import Rest
    from dropbench.cli.work import Work
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec


@dataclass(frozen=True)
class DryRun:
    """A request to train and write nothing. estimate: whether to estimate the time, which takes timing a few steps."""

    estimate: bool = True


def show(
    asked: DryRun,
    todo: Sequence[RunSpec],
    work: Work,
    plans: tuple[Plan, Plan],
    to_come: Callable[[], Rest | None],
    shown: Shown,
) -> None:
    """Print what the next stage would train.

    Parameters
    ----------
    asked : DryRun
        Without an estimate, what could be detected is left out too, because both take longer than the rest.
    todo : sequence of RunSpec
        The runs of the stage that are left to train.
    work : Work
        These runs in cohorts.
    plans : tuple of two Plans
        The plan of the stage, and the plan of the final comparison.
    to_come : callable
        Returns what may come after this stage.
    shown : Shown
        Prints it.
    """
    from dropbench.cli.design import design
    from dropbench.execute.checkpoint import trained_share
    from dropbench.execute.estimate import Durations, estimate

    plan, compared = plans
    for reason in dict.fromkeys((*plan.unplanned, *plan.failed.values())):
        shown.warning(reason)
    if not asked.estimate:
        shown.dry_run(plan, todo, work, None)
        return
    durations = Durations(work.settings, work.device)
    trained = trained_share(todo, work.settings, work.device)
    seconds = estimate(work.cohorts, durations, work.workers, trained) if todo else 0.0
    shown.dry_run(plan, todo, work, seconds, to_come(), design(compared) if todo else None)
