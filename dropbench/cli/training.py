"""Trains what is left of a plan, and reports each epoch to the progress display and the loggers."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from typing import TYPE_CHECKING

from dropbench.errors import Interrupted
from dropbench.process.streams import go_on
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.cli.work import Work
    from dropbench.execute.agenda import Marks
    from dropbench.execute.failure_policy import FailurePolicy
    from dropbench.execute.local import Stored
    from dropbench.loggers import Loggers
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store


def trained(plan: Plan, work: Work, store: Store, shown: Shown, policy: FailurePolicy, before: Marks) -> list[Stored]:
    """Train and store runs until all are done, too many failed or the time is over. Raises Interrupted if the user stops it.

    before: what was stored before it was decided which runs to train.
    """
    from dropbench.execute.local import TooManyFailed, execute
    from dropbench.planning.labels import arm_names
    from dropbench.process.stop import Stop, listening

    go_on()
    specs = [s for group in work.groups for s in group]
    arms = arm_names(plan, specs)
    stored: list[Stored] = []
    stop = Stop(work.until)
    try:
        with (
            listening(stop),
            suppress(TooManyFailed),
            _loggers(plan, specs, arms, store, shown) as loggers,
            shown.progress(work.groups, arms) as progress,
            closing(
                execute(
                    work.cohorts,
                    work.settings,
                    work.device,
                    work.workers,
                    store,
                    loggers.beside(progress.listen),
                    policy=policy,
                    before=before,
                    stop=stop,
                    in_time=work.in_time,
                    waits=work.waits,
                )
            ) as ended,
        ):
            for one in ended:
                stored.append(one)
                progress.finished(one)
                loggers.finished(one)
    except KeyboardInterrupt:
        if stop.signal is None and stop():
            return stored
        raise Interrupted(_stopped(specs, store), 128 + (stop.signal or signal.SIGINT)) from None
    return stored


def _stopped(specs: Sequence[RunSpec], store: Store) -> str:
    """Return the message of an interrupted command: what is stored, and how to continue."""
    from dropbench.execute.local import unfinished
    from dropbench.store.checkpoints import Checkpoints

    left = unfinished(specs, store)
    saved = [h.epoch for run, h in Checkpoints(store.root).latest().items() if run in {s.run_id for s in left}]
    if len(specs) == 1:
        epoch = f"in epoch {saved[0]} of {specs[0].train.epochs}" if saved else "before the run was first saved"
        return f"Stopped {epoch}: run the same command again to {'continue from there' if saved else 'train the run'}"
    done = f"Stopped: {len(specs) - len(left)} of {len(specs)} runs had finished and are stored in {store.root}"
    begun = (
        f", {count(len(saved), 'run')} in training {'is' if len(saved) == 1 else 'are'} saved there" if saved else ""
    )
    return f"{done}{begun}; run the same command again to continue from there"


def _loggers(
    plan: Plan, specs: Sequence[RunSpec], arms: Mapping[str, str], store: Store, shown: Shown
) -> AbstractContextManager[Loggers]:
    """Return a context with the loggers of a plan's runs. Raises UsageError on entry for a logger that cannot start."""
    from dropbench import loggers
    from dropbench.planning.reproduce import settings

    names = plan.settings.train_loggers
    runs = [loggers.Run(s.run_id, arms[s.run_id], s.seed, settings(s.as_dict())) for s in specs] if names else []
    return loggers.opened(names, runs, store.root, plan.study, shown.warning)
