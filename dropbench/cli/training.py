"""Trains what a plan has left, while progress and loggers follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from dropbench.errors import Interrupted
from dropbench.process.streams import go_on

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.cli.work import Work
    from dropbench.execute.local import Stored
    from dropbench.loggers import Loggers
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store


def trained(plan: Plan, work: Work, store: Store, shown: Shown) -> list[Stored]:
    """Trains and stores. Raises Interrupted where the user stops it."""
    from dropbench.execute.local import execute, unfinished
    from dropbench.planning.labels import arm_names

    go_on()
    specs = [s for group in work.groups for s in group]
    arms = arm_names(plan, specs)
    stored: list[Stored] = []
    try:
        with (
            _loggers(plan, specs, arms, store, shown) as loggers,
            shown.progress(work.groups, arms) as progress,
            closing(
                execute(work.cohorts, plan.settings, work.device, work.workers, store, loggers.beside(progress.listen))
            ) as ended,
        ):
            for one in ended:
                stored.append(one)
                progress.finished(one)
                loggers.finished(one)
    except KeyboardInterrupt:
        done = len(specs) - len(unfinished(specs, store))
        raise Interrupted(
            f"Stopped: {done} of {len(specs)} runs had finished and are stored in {store.root}; "
            "the same command goes on from there"
            if len(specs) > 1
            else "Stopped before the run had finished: nothing of it is stored, and the same command starts it afresh"
        ) from None
    return stored


def _loggers(
    plan: Plan, specs: Sequence[RunSpec], arms: Mapping[str, str], store: Store, shown: Shown
) -> AbstractContextManager[Loggers]:
    """Raises UsageError on entry for a logger that cannot begin."""
    from dropbench import loggers
    from dropbench.planning.reproduce import settings

    names = plan.settings.train_loggers
    runs = [loggers.Run(s.run_id, arms[s.run_id], s.seed, settings(s.as_dict())) for s in specs] if names else []
    return loggers.opened(names, runs, store.root, plan.study, shown.warning)
