"""Finds faults in a results folder, and files in it that nobody needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dropbench import identity
from dropbench.errors import UsageError
from dropbench.report.records.history import read as read_history
from dropbench.store import (
    FAILED,
    PLANS,
    RUNS,
    SCHEMA,
    Record,
    Skipped,
    Store,
    files,
    products,
    read_plan,
    safely,
)
from dropbench.store.checkpoints import ENDED, RUNGS, WORK, Checkpoints
from dropbench.store.kept_files import fault
from dropbench.store.training import trainers

_CONFIG, _HISTORY = "config.yaml", "history.csv"
KINDS = {
    "failed": "attempts that failed, which the next sweep tries again anyway",
    "unreadable": "records, plans and checkpoints that cannot be read or were changed",
    "leftovers": "files that killed processes left behind",
    "set-aside": "runs that no report compares, because newer runs of their setting used other data or code",
    "plans": "plans of which no run is stored or in training",
    "ended": "final states (train.extendable) whose runs are no longer stored",
    "jobs": "jobs that have ended (sweep --detach, execute=slurm), with what they printed",
}
"""The kinds of files that `prune` removes, by name."""


@dataclass(frozen=True)
class Item:
    """A file or folder that `prune` would remove: its kind, its path, and why."""

    kind: str
    path: Path
    why: str


def verify(root: Path) -> tuple[int, list[Skipped]]:
    """Check all stored files. Return how many runs and plans were checked, and all faults, sorted by path."""
    loaded = Store(root).load(anew=True)
    wrong = [*loaded.skipped]
    for record in loaded.records:
        wrong += _of_run(record, loaded.folders[record.run_id])
    plans = [plan for plan in files.visible(root / PLANS) if not isinstance(read_plan(plan), Skipped)]
    for path in plans:
        wrong += _of_plan(path)
    wrong += [Skipped(path, why) for path, why in _unsettled(root)]
    wrong += [Skipped(path, "left behind by a writer that was killed") for path in _abandoned(root)]
    wrong += [Skipped(path, f"a checkpoint that cannot be used: {why}") for path, why in _damaged(root)]
    return len(loaded.records) + len(plans) + len(loaded.skipped), sorted(wrong, key=lambda w: w.path)


def prunable(root: Path) -> list[Item]:
    """Return the files that nobody needs, in the order of KINDS. Files that a newer dropbench wrote are never among them."""
    from dropbench.report.records.frame import to_frame
    from dropbench.report.records.load import unusable
    from dropbench.report.tables.current import current

    store = Store(root)
    loaded = store.load()
    items = [Item("failed", f, _why(store, f)) for f in files.visible(root / FAILED)]
    known = {item.path for item in items}
    items += [
        Item("unreadable", s.path, s.reason)
        for s in loaded.skipped
        if s.path not in known and s.path.parent.name in (RUNS, PLANS) and "newer dropbench" not in s.reason
    ]
    items += [Item("unreadable", path, f"a checkpoint that cannot be used: {why}") for path, why in _damaged(root)]
    items += [Item("leftovers", path, "its writer was killed") for path in _abandoned(root)]
    usable = [r for r in loaded.records if unusable(r) is None and r.status != "failed"]
    if usable:
        kept = set(current(to_frame(usable))[0]["run_id"])
        why = "newer runs of its setting saw other data or code"
        items += [Item("set-aside", loaded.folders[r.run_id], why) for r in usable if r.run_id not in kept]
    stored = {r.run_id for r in loaded.records}
    going_on = stored | _in_training(root)
    for path in files.visible(root / PLANS):
        plan = read_plan(path)
        named = [] if isinstance(plan, Skipped) else plan.trained
        if named and plan.schema == SCHEMA and going_on.isdisjoint(named):  # type: ignore[union-attr]
            items.append(Item("plans", path, f"none of its {len(named)} runs is stored"))
    for header in Checkpoints(root, ENDED).headers():
        kept = {held["told"]["parent"] for held in header.runs.values()}
        if stored.isdisjoint(kept):
            items.append(Item("ended", header.path, f"none of its {len(kept)} runs is stored"))
    return items


def _unsettled(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file that names the library for matrix products if it cannot be read, which stops every sweep."""
    try:
        products.settled(root)
    except UsageError:
        yield root / products.FILE, "it does not name a library: remove it, since the records tell which one it was"


def _in_training(root: Path) -> set[str]:
    """Return the ids of runs that a command has claimed, or that were saved in the middle of training."""
    claimed = {run for trainer in trainers(root) for run in trainer.runs}
    return claimed | {
        run for kind in (WORK, RUNGS) for header in Checkpoints(root, kind).headers() for run in header.runs
    }


def _why(store: Store, folder: Path) -> str:
    found = store.find(folder.name)
    if isinstance(found, Record):
        return found.reason or "no reason recorded" if found.status == "failed" else "it finished since"
    return found.reason if found is not None else "no record"


def _abandoned(root: Path) -> list[Path]:
    kinds = (RUNS, FAILED, PLANS, WORK, RUNGS, ENDED)
    return [path for kind in kinds for path in files.abandoned(root / kind)]


def _damaged(root: Path) -> Iterator[tuple[Path, str]]:
    for kind in (WORK, RUNGS, ENDED):
        yield from Checkpoints(root, kind).damaged()


def _of_run(record: Record, folder: Path) -> Iterator[Skipped]:
    """Yield the files of a run that are missing, damaged, or not as its record says."""
    try:
        safely.content(folder / _CONFIG)
    except OSError as error:
        yield Skipped(folder / _CONFIG, f"it cannot be read: {error.strerror}")
    table, why = read_history(folder / _HISTORY)
    if why is not None:
        yield Skipped(folder / _HISTORY, why)
    elif record.status in ("completed", "diverged") and len(table.get("epoch", ())) != record.epochs_run:
        yield Skipped(folder / _HISTORY, f"it has {len(table.get('epoch', ()))} epochs of {record.epochs_run}")
    for name in filter(None, (record.predictions, record.weights)):
        if why := _of_file(folder, name):
            yield Skipped(folder / name, why)


def _of_file(folder: Path, name: str) -> str | None:
    """Return what is wrong with a file that a record names, or None."""
    if os.path.basename(name) != name or name in (os.curdir, os.pardir):
        return "its record names a file outside of its folder"
    return fault(folder, name)


def _of_plan(path: Path) -> Iterator[Skipped]:
    """Yield a fault if a plan's id is not its file's name, or is not the hash of its first runs and its rule."""
    plan = read_plan(path)
    if isinstance(plan, Skipped) or plan.schema < SCHEMA:
        return
    if plan.plan_id != path.stem:
        yield Skipped(path, f"it holds the plan {plan.plan_id}")
        return
    first, rule = (plan.course.stages[0].runs, plan.course.rule.parameters) if plan.course else (plan.runs, None)
    if first and plan.plan_id != identity.plan_id(plan.study, first, rule):
        yield Skipped(path, "its plan_id does not match its runs, so the plan was changed")
