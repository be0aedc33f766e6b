"""Run folders on disk: written whole or not at all, listed, and read back. No torch, no pandas.

    results/runs/<run_id>/     config.yaml · record.json · history.csv   (completed or diverged: finished)
    results/failed/<run_id>/   the same with traceback.txt               (never finished; replaced when tried again)
    results/index.jsonl        what was read of them, where they are many: see index.py
    results/plans/<plan_id>.json
    results/programs/          numbers of programs of studies (programs.py)
    results/products.json      which library multiplies matrices for the runs on CPUs (products.py)
    results/work/              claims (see claims.py) and checkpoints (checkpoints.py) of what is in training; else absent
    results/ended/             runs as they were when they ended, to be trained for more epochs (train.extendable); else absent
    results/jobs/              commands that go on without a terminal (jobs.py), until they are removed; absent without any
    results/rungs/             runs of a search as they were when they ended, for longer ones to go on with; else absent

A folder is written under a hidden name beside its place, synced, then renamed: a reader sees a whole run or none. Runs that an
older dropbench stored lie in folders named by the ids of their time, and are found under the ids that they have now.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dropbench import identity
from dropbench.errors import UsageError
from dropbench.store import files
from dropbench.store.checkpoints import ENDED, RUNGS, WORK
from dropbench.store.course import Candidate, Course, Rule, StoredStage, Tuned
from dropbench.store.index import Index
from dropbench.store.jobs import JOBS
from dropbench.store.reading import dump, is_old, listed, read, read_all, read_plan, setting_in
from dropbench.store.record import (
    FINISHED,
    RECORD,
    SCHEMA,
    Loaded,
    Measure,
    Record,
    Skipped,
    Status,
    StoredPlan,
    UsedRegularizer,
    UsedVariant,
)
from dropbench.store.statements import Case, StoredCheck, StoredClaim, StoredProgram

__all__ = [
    "FAILED",
    "FINISHED",
    "PLANS",
    "RECORD",
    "RUNS",
    "SCHEMA",
    "Candidate",
    "Case",
    "Course",
    "Loaded",
    "Measure",
    "Record",
    "Rule",
    "Skipped",
    "Status",
    "Store",
    "StoredCheck",
    "StoredClaim",
    "StoredPlan",
    "StoredProgram",
    "StoredStage",
    "Tuned",
    "UsedRegularizer",
    "UsedVariant",
    "lacking",
    "read",
    "read_all",
    "read_plan",
]

RUNS, FAILED, PLANS = "runs", "failed", "plans"
_REMOVABLE = (RUNS, FAILED, PLANS, WORK, RUNGS, ENDED, JOBS)
_MANY = 50
"""Runs of which those that have a folder are found by listing all that there are."""


class Store:
    """One results folder. Making a Store touches nothing; the first write makes the folders it needs.

    Parameters
    ----------
    root : Path
        The folder.
    replacing : container of str
        Ids of runs that are trained again: a finished record of one gives way to the new one, once that is finished too.
    """

    def __init__(self, root: Path, replacing: Container[str] = ()) -> None:
        self.root = Path(root)
        self._replacing = replacing
        self._swept = False

    def finished(self, run_id: str) -> Record | None:
        """The record of a run that completed or diverged."""
        record = self.find(run_id)
        return record if isinstance(record, Record) and record.status in FINISHED else None

    def is_done(self, run_id: str) -> bool:
        """Whether a readable record says that the run completed or diverged."""
        return self.finished(run_id) is not None

    def done(self, run_ids: Iterable[str]) -> dict[str, Record]:
        """The records of those runs that completed or diverged, by run id."""
        found = {run: self.finished(run) for run in self.there(run_ids)}
        self.index.save()
        return {run: record for run, record in found.items() if record is not None}

    def there(self, run_ids: Iterable[str]) -> list[str]:
        """Those runs that may have a folder, finished or failed: of many, what there is is listed once."""
        runs = list(run_ids)
        if len(runs) < _MANY:
            return runs
        known = {name for kind in (RUNS, FAILED) for name in _names(self.root / kind)}
        known.update(run for by_id in self._old.values() for run in by_id)
        return [run for run in runs if run in known]

    def find(self, run_id: str) -> Record | Skipped | None:
        """The record of a run, finished or failed; None if it was never tried."""
        unreadable: Skipped | None = None
        for folder in self._places(run_id):
            record = self.index.record(folder)
            if isinstance(record, Record):
                return record
            unreadable = unreadable or record
        return unreadable

    @cached_property
    def index(self) -> Index:
        """What is known of its records without reading them."""
        return Index(self.root)

    def load(self, *, anew: bool = False) -> Loaded:
        """All records, finished and failed, and what was skipped (plans that cannot be read included).

        A failure that a finished run has since replaced is left out: a crash may come between the two steps.

        anew: whether every record is read, whatever the index knows.
        """
        loaded = read_all(self.root / RUNS, self.root / FAILED, read=read if anew else self.index.record)
        # One that failed before its data were read has another id than when it finished.
        done = {(r.setting_id, r.seed) for r in loaded.records if r.status in FINISHED}
        records = [r for r in loaded.records if r.data_fingerprint is not None or (r.setting_id, r.seed) not in done]
        unread = [p for p in self._stored_plans() if isinstance(p, Skipped)]
        return replace(loaded, records=records, skipped=sorted([*loaded.skipped, *unread], key=lambda s: s.path))

    def of_settings(self, setting_ids: Container[str], but: Container[str] = ()) -> list[Record]:
        """The finished runs of these settings, whatever their data and seeds, but for those with the run ids in `but`.

        Reads those records alone whose first bytes say so, which those of older schemas do not.
        """
        found = []
        for folder in (f for f in files.visible(self.root / RUNS) if f.name not in but):
            known = self.index.known(folder)
            if (known.setting_id if known else setting_in(folder)) in setting_ids:
                found.append(known or self.index.record(folder))
        return [r for r in found if isinstance(r, Record) and r.status in FINISHED]

    def folder(self, run_id: str) -> Path:
        """Where a run lies: finished, or its failed attempt if it never finished."""
        return next(self._places(run_id), self.root / RUNS / run_id)

    def history(self, run_id: str) -> Path:
        """Where the run's epochs are: history.csv, a row an epoch."""
        return self.folder(run_id) / "history.csv"

    def plans(self) -> list[StoredPlan]:
        """The readable plans, oldest first, with the ids that their runs have now.

        Of one that was stored under older ids and again since, the later.
        """
        readable = [self._renamed(p) for p in self._stored_plans() if isinstance(p, StoredPlan)]
        latest = {p.plan_id: p for p in sorted(readable, key=lambda p: (p.created, p.plan_id))}
        return list(latest.values())

    def check(self) -> None:
        """Raises UsageError if runs could not be written here: better before training than after it."""
        with self._writing():
            os.rmdir(files.temporary(self.root / RUNS / "check"))

    def write(
        self,
        record: Record,
        history: Sequence[Mapping[str, float | int | str | None]],
        config_yaml: str,
        traceback: str | None = None,
        beside: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Puts a run in its place by its status and returns the folder that now stands for it.

        A finished run is not overwritten but by one that measured more and lacks nothing that it has: where another process
        was first, its folder stays, and so does a folder that a newer dropbench wrote. `beside`: the files that the record
        names. Raises UsageError if the results folder cannot be written, ValueError for a record that could not be read back.
        """
        content = {RECORD: dump(record), "history.csv": files.as_csv(history), "config.yaml": config_yaml.encode()}
        content |= beside or {}
        if traceback is not None:
            content["traceback.txt"] = traceback.encode(errors="replace")
        finished, failed = self.root / RUNS / record.run_id, self.root / FAILED / record.run_id
        final = finished if record.status in FINISHED else failed
        stays = self._asked_again if record.run_id in self._replacing else _stays
        for place in self._places(record.run_id):
            if stays(place, record):
                return place
        with self._writing():
            files.write_folder(final, content, lambda folder: stays(folder, record))
            if final == finished and failed.exists():
                files.discard(failed)
        return final

    @staticmethod
    def _asked_again(folder: Path, new: Record) -> bool:
        """`_stays` of a run that is trained again: only what a newer dropbench wrote does not give way."""
        standing = read(folder)
        return isinstance(standing, Skipped) and _stays(folder, new)

    def write_plan(self, plan: StoredPlan) -> Path:
        """Writes or replaces a plan. Raises UsageError if the results folder cannot be written."""
        typed = [
            text.encode(errors="backslashreplace").decode() for text in plan.overrides
        ]  # as bytes they may be no UTF-8
        content, final = dump(replace(plan, overrides=typed)), self.root / PLANS / f"{plan.plan_id}.json"
        with self._writing():
            files.write_file(final, content)
        return final

    def matching(self, text: str) -> dict[str, list[Path]]:
        """The run folders whose id, or name, begins with a text: by the id that the run has now, else by the folder's name.

        One that cannot be read is among them. A whole id is itself alone, though another may begin with it.
        """
        found: dict[str, list[Path]] = {}
        for folder in (f for kind in (RUNS, FAILED) for f in files.visible(self.root / kind)):
            record = self.index.record(folder)
            run = record.run_id if isinstance(record, Record) else folder.name
            if text and (run.startswith(text) or folder.name.startswith(text)):
                found.setdefault(run, []).append(folder)
        return {text: found[text]} if text in found else found

    def remove(self, folder: Path) -> None:
        """Removes a run's folder or a plan in one step for readers. Raises UsageError where that cannot be done."""
        if folder.parent.parent.resolve() != self.root.resolve() or folder.parent.name not in _REMOVABLE:
            raise ValueError(f"{folder} is not in {self.root}")
        with self._writing():
            files.discard(folder)

    def _places(self, run_id: str) -> Iterator[Path]:
        """The folders that may hold a run, the best first; those of older ids are looked for when no other will do."""
        for kind in (RUNS, FAILED):
            if os.path.lexists(folder := self.root / kind / run_id):
                yield folder
            yield from self._old[kind].get(run_id, ())

    @cached_property
    def _old(self) -> dict[str, dict[str, list[Path]]]:
        """Folders named by older ids, those that measured most first, by the id that the run has now, of each kind."""
        folders: dict[str, dict[str, list[Path]]] = {}
        for kind in (RUNS, FAILED):
            old = [
                (record, f)
                for f in files.visible(self.root / kind)
                if self.index.known(f) is None and is_old(f) and isinstance(record := read(f), Record)
            ]
            by_id = folders.setdefault(kind, {})
            for record, folder in sorted(old, key=lambda pair: -len(pair[0].metrics)):
                by_id.setdefault(record.run_id, []).append(folder)
        return folders

    def _stored_plans(self) -> list[StoredPlan | Skipped]:
        return [p if isinstance(p, Skipped) else read_plan(p) for p in listed(self.root / PLANS)]

    def _renamed(self, plan: StoredPlan) -> StoredPlan:
        """With the ids that its runs have now."""
        if plan.schema == SCHEMA:
            return plan
        now = {f.name: run for by_id in self._old.values() for run, folders in by_id.items() for f in folders}

        def renamed(ids: list[str]) -> list[str]:
            return list(dict.fromkeys(now.get(i, i) for i in ids))

        runs, arms = renamed(plan.runs), {name: renamed(ids) for name, ids in plan.arms.items()}
        return replace(plan, runs=runs, arms=arms, plan_id=identity.plan_id(plan.study, runs), schema=SCHEMA)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The folders exist, what killed writers left behind is gone, and an OSError is a sentence."""
        try:
            for kind in (RUNS, FAILED, PLANS):
                (self.root / kind).mkdir(parents=True, exist_ok=True)
                if not self._swept:
                    files.sweep(self.root / kind)
            self._swept = True
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(
                f"cannot write results into {self.root}: {why}; choose another folder: results=DIR"
            ) from error


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def lacking(record: Record, metrics: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """The metrics of these that a record does not have, or has with other options, version or source.

    Parameters
    ----------
    metrics : Mapping
        Parts by name, as a configuration holds them under `metric`.
    sources : Mapping
        Hashes of the user's sources by import path.
    """
    had = {name: identity.part(node, record.sources) for name, node in record.config["metric"].items()}
    return [name for name, node in metrics.items() if had.get(name) != identity.part(node, sources)]


def _stays(folder: Path, new: Record) -> bool:
    """Whether what lies in a folder is not to give way to a new record of the same run."""
    standing = read(folder)
    if isinstance(standing, Skipped):  # damaged, or of a newer dropbench, which alone can judge it
        return new.status in FINISHED and folder.parent.name == RUNS and "newer dropbench" in standing.reason
    return standing.status in FINISHED and not _adds(new, standing)


def _adds(new: Record, standing: Record) -> bool:
    """Whether a record has a metric that the standing one lacks, and all that it has."""
    asked, had = new.config["metric"], standing.config["metric"]
    whole = asked.keys() >= had.keys() and all(
        getattr(new, kind).keys() >= getattr(standing, kind).keys() for kind in ("metrics", "arrays")
    )
    return whole and new.status == standing.status and bool(lacking(standing, asked, new.sources))
