"""Loads the records that a report can use, with their folders, and the reason why any other folder cannot be used."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dropbench.errors import UsageError
from dropbench.report.records.frame import GROUPS
from dropbench.report.records.measures import Measures
from dropbench.store import FAILED, RECORD, RUNS, Loaded, Record, Skipped, Store, read, read_all
from dropbench.store.epochs import Epochs, epochs_of, monitored
from dropbench.store.index import Index

NONE_ENDED = "no run has finished there yet; dropbench runs status says what is in training"
RUN_SOMETHING = (
    "to train some runs, type: dropbench sweep study=three_arm, or for a table of yours: "
    "dropbench advise data=csv data.path=my.csv data.target=COLUMN"
)


@dataclass
class Found:
    """The loaded records.

    records: one per run. histories: {run id: history.csv}. skipped: folders that could not be used. rivals: for each run that
    is in several folders with different numbers, the folder that is used and then the others. indexes: {run id: index of its
    results folder}, without the runs whose own folder, or whose runs/ or failed/ folder, was named.
    """

    records: list[Record] = field(default_factory=list)
    histories: dict[str, Path] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    rivals: dict[str, list[Path]] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)


def load(paths: Sequence[Path]) -> Found:
    """Loads every run in these folders. Raises UsageError for a path without results.

    Of a run that is in several folders, a record that did not fail is preferred, then the one that was started last.
    """
    usable = Found()
    best: dict[str, tuple[tuple[bool, str], Record, Path]] = {}
    index_of: dict[str, Index | None] = {}
    there: dict[str, list[tuple[Record, Path]]] = {}
    for path in paths:
        loaded, index = _folder(path)
        usable.skipped += loaded.skipped
        for record in loaded.records:
            folder = loaded.folders[record.run_id]
            if (reason := unusable(record)) is not None:
                usable.skipped.append(Skipped(folder, reason))
                continue
            there.setdefault(record.run_id, []).append((record, folder))
            rank = (record.status != "failed", record.started)  # finished before failed, then the one started last
            if record.run_id not in best or rank >= best[record.run_id][0]:
                best[record.run_id] = (rank, record, folder / "history.csv")
                index_of[record.run_id] = index
    # In the order of folder names: runs of an older dropbench have new ids now, but their results are summed in the same order.
    in_order = sorted(best, key=lambda run: best[run][2].parent.name)
    usable.records = [best[run][1] for run in in_order]
    usable.histories = {run: best[run][2] for run in in_order}
    usable.indexes = {run: index for run, index in index_of.items() if index is not None}
    for run, several in there.items():
        used = best[run][2].parent
        if others := [folder for record, folder in several if folder != used and _differ(record, best[run][1])]:
            usable.rivals[run] = [used, *others]
    return usable


def _differ(one: Record, other: Record) -> bool:
    """Returns whether two records of a run have different statuses, or different values of a metric that both have."""
    both = [(one.metrics[name], other.metrics[name]) for name in one.metrics.keys() & other.metrics.keys()]
    return one.status != other.status or any(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in both)


def from_store(store: Store, run_ids: Sequence[str]) -> Found:
    """Loads these runs from a store, in this order; runs that were never tried are left out."""
    usable = Found()
    for run in store.there(run_ids):
        record = store.find(run)
        if isinstance(record, Record) and (reason := unusable(record)) is not None:
            record = Skipped(store.history(run).parent, reason)
        if isinstance(record, Record):
            usable.records.append(record)
            usable.histories[run] = store.history(run)
            usable.indexes[run] = store.index
        elif record is not None:
            usable.skipped.append(record)
    return usable


def keep_known(indexes: Iterable[Index]) -> None:
    """Saves the indexes, so that the next report need not read the same files again."""
    for index in {id(index): index for index in indexes}.values():
        index.save()


def unusable(record: Record) -> str | None:
    """Returns why a report cannot use a readable record, or None if it can."""
    for group in GROUPS:
        found = record.config.get(group)
        for part in found if group == "dropout" and isinstance(found, list) else [found]:
            if not isinstance(part, Mapping) or not isinstance(part.get("name"), str):
                return f"{RECORD} has no {group}.name in its config"
    return None


def all_epochs(found: Found) -> dict[str, Epochs]:
    """Returns what a report uses from the history of each run, by run id."""
    epochs = {}
    for record in found.records:
        path, index = found.histories[record.run_id], found.indexes.get(record.run_id)
        known = epochs_of(path, record.config) if index is None else index.epochs(path.parent, record)
        epochs[record.run_id] = known
    return epochs


def best_epochs(
    found: Found, epochs: Mapping[str, Epochs], measures: Measures
) -> tuple[dict[str, int | None], list[Skipped]]:
    """Returns the best epoch of each run, by run id, and the histories that cannot be used."""
    best, damaged = {}, []
    directions: dict[str, int] = {}
    for record in found.records:
        known = epochs[record.run_id]
        if (column := monitored(record.config)) not in directions:
            directions[column] = measures.read(column).direction
        best[record.run_id] = known.best(directions[column])
        if known.damaged is not None:
            damaged.append(Skipped(found.histories[record.run_id], known.damaged))
    return best, damaged


def _folder(path: Path) -> tuple[Loaded, Index | None]:
    """Loads a results folder, its runs/ or failed/ folder, or a single run folder; only a results folder also has an index."""
    if not os.path.exists(path):  # unlike Path.exists, it returns False for an invalid name
        raise UsageError(f"there is no folder {path}; {RUN_SOMETHING}")
    if os.path.lexists(path / RECORD):
        record = read(path)
        if isinstance(record, Record):
            return Loaded([record], [], {record.run_id: path}), None
        return Loaded([], [record], {}), None
    if os.path.isdir(path / RUNS) or os.path.isdir(path / FAILED):
        store = Store(path)
        return store.load(), store.index
    if os.path.basename(os.path.realpath(path)) in (RUNS, FAILED) and os.path.isdir(path):
        return read_all(path), None
    raise UsageError(
        f"{path} is neither a results folder (it has no {RUNS}/) nor a run (it has no {RECORD}); {RUN_SOMETHING}"
    )
