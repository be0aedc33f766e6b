"""Measures metrics that are asked for later from the stored weights of finished runs, instead of training them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropbench.store.checkpoints import ENDED, Checkpoints
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store


def left_to_train(
    todo: Sequence[RunSpec], plan: Plan, store: Store, shown: Shown, *, dry_run: bool = False
) -> list[RunSpec]:
    """Measure the runs whose weights were kept, and return the others, which must be trained. A dry run measures nothing."""
    from dropbench.execute.executors import here
    from dropbench.execute.measure import measurable, measured
    from dropbench.execute.products import settled

    _say_without(todo, plan, store, shown)
    if not (able := measurable(todo, store)):
        return list(todo)
    if dry_run:
        done = {one.spec.run_id for one in able}
        shown.note(f"{count(len(done), 'finished run')} would be measured from the weights that they kept")
    else:
        device = here(plan.settings)
        settings, _ = settled(plan.settings, device, trains=False)
        done = set(measured(able, plan.outlines, settings, device, store))
        if done:  # a run that could not be measured is trained again, and a note says why
            shown.note(f"{count(len(done), 'run')} measured from {'its' if len(done) == 1 else 'their'} weights")
    return [s for s in todo if s.run_id not in done]


def _say_without(todo: Sequence[RunSpec], plan: Plan, store: Store, shown: Shown) -> None:
    """Warn of finished runs that kept no weights or final state: no run is trained again because these are asked for now."""
    save, extendable = plan.settings.train_save, plan.settings.train_extendable
    if save is None and not extendable:
        return
    trained_now = {s.run_id for s in todo}
    rest = [s for s in plan.specs if s.run_id not in trained_now]
    done = {run: record for run, record in store.done(s.run_id for s in rest).items() if record.status == "completed"}
    if save is not None:
        _say(f"train.save={save}", "weights", sum(record.weights is None for record in done.values()), shown)
    if extendable:
        kept = {
            held["told"]["parent"]
            for header in Checkpoints(store.root, ENDED).headers()
            for held in header.runs.values()
        }
        whole = [s.run_id for s in rest if s.run_id in done and done[s.run_id].epochs_run >= s.train.epochs]
        _say("train.extendable=true", "final state", sum(run not in kept for run in whole), shown)


def _say(asked: str, what: str, n: int, shown: Shown) -> None:
    """Warn that n finished runs did not keep what is asked for, if there are any."""
    if n:
        they, them = ("1 run is finished", "it") if n == 1 else (f"{n:,} runs are finished", "them")
        shown.warning(
            f"{they} and kept no {what}, so {asked} has no effect on {them}; --force trains {them} again and keeps the {what}"
        )
