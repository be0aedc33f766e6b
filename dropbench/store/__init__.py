"""Run folders on disk: written whole or not at all, listed, and read back. It imports neither torch nor pandas.

    results/runs/<run_id>/     config.yaml · record.json · history.csv   (completed or diverged: finished)
    results/failed/<run_id>/   the same with traceback.txt               (never finished; replaced by the next attempt)
    results/index.jsonl        a cache of what was read from many runs: see index.py
    results/plans/<plan_id>.json
    results/programs/          numbers that programs of studies returned (programs.py)
    results/products.json      the library that multiplies matrices for runs on CPUs (products.py)
    results/work/              claims (claims.py) and checkpoints (checkpoints.py) of running training; otherwise absent
    results/ended/             final states of runs, to train them for more epochs (train.extendable); otherwise absent
    results/jobs/              commands that continue without a terminal (jobs.py), until they are removed; otherwise absent
    results/rungs/             final states of a search's runs, from which longer runs continue; otherwise absent

A folder is written under a hidden name beside its final place, synced, then renamed, so a reader sees a whole run or none. Runs
stored by an older dropbench lie in folders named by their old ids, and are found under their current ids.
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
    ADVISE,
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
    "ADVISE",
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
"""From this many runs on, `Store.there` lists the folders once instead of looking for each run."""


class Store:
    """One results folder. Creating a Store touches nothing on disk; the first write creates the folders that it needs.

    Parameters
    ----------
    root : Path
        The folder.
    replacing : container of str
        Ids of runs that are trained again: once the new run has finished, its record replaces the old one.
    """

    def __init__(self, root: Path, replacing: Container[str] = ()) -> None:
        self.root = Path(root)
        self._replacing = replacing
        self._swept = False

    def finished(self, run_id: str) -> Record | None:
        """Returns the record of a run that completed or diverged, otherwise None."""
        record = self.find(run_id)
        return record if isinstance(record, Record) and record.status in FINISHED else None

    def is_done(self, run_id: str) -> bool:
        """Returns whether a readable record says that the run completed or diverged."""
        return self.finished(run_id) is not None

    def done(self, run_ids: Iterable[str]) -> dict[str, Record]:
        """Returns the records of the given runs that completed or diverged, by run id."""
        found = {run: self.finished(run) for run in self.there(run_ids)}
        self.index.save()
        return {run: record for run, record in found.items() if record is not None}

    def there(self, run_ids: Iterable[str]) -> list[str]:
        """Returns the given runs that may have a folder, finished or failed. For many runs the folders are listed only once."""
        runs = list(run_ids)
        if len(runs) < _MANY:
            return runs
        known = {name for kind in (RUNS, FAILED) for name in _names(self.root / kind)}
        known.update(run for by_id in self._old.values() for run in by_id)
        return [run for run in runs if run in known]

    def find(self, run_id: str) -> Record | Skipped | None:
        """Returns the record of a run, finished or failed; None if it was never tried."""
        unreadable: Skipped | None = None
        for folder in self._places(run_id):
            record = self.index.record(folder)
            if isinstance(record, Record):
                return record
            unreadable = unreadable or record
        return unreadable

    @cached_property
    def index(self) -> Index:
        """The index of this folder: what is known about its records without reading them."""
        return Index(self.root)

    def load(self, *, anew: bool = False) -> Loaded:
        """Returns all records, finished and failed, and what was skipped (including plans that cannot be read).

        A failed record is left out if the run has finished since: a crash between the two steps of `write` can leave both.

        anew: whether every record is read again, even if the index has it.
        """
        loaded = read_all(self.root / RUNS, self.root / FAILED, read=read if anew else self.index.record)
        # A run that failed before its data were read has another id than after it finished.
        done = {(r.setting_id, r.seed) for r in loaded.records if r.status in FINISHED}
        records = [r for r in loaded.records if r.data_fingerprint is not None or (r.setting_id, r.seed) not in done]
        skipped = sorted([*loaded.skipped, *self.unread_plans()], key=lambda s: s.path)
        return replace(loaded, records=records, skipped=skipped)

    def of_settings(self, setting_ids: Container[str], but: Container[str] = ()) -> list[Record]:
        """Returns the finished runs of these settings, on any data and under any seed, except the run ids in `but`.

        It decides by the first bytes of each record and reads only those that match. Records of older schemas never match.
        """
        found = []
        for folder in (f for f in files.visible(self.root / RUNS) if f.name not in but):
            known = self.index.known(folder)
            if (known.setting_id if known else setting_in(folder)) in setting_ids:
                found.append(known or self.index.record(folder))
        return [r for r in found if isinstance(r, Record) and r.status in FINISHED]

    def folder(self, run_id: str) -> Path:
        """Returns the folder of a run: of the finished run or, if it never finished, of its failed attempt."""
        return next(self._places(run_id), self.root / RUNS / run_id)

    def history(self, run_id: str) -> Path:
        """Returns the path of the run's history.csv, which has one row per epoch."""
        return self.folder(run_id) / "history.csv"

    def plans(self) -> list[StoredPlan]:
        """Returns the readable plans, oldest first, with the current ids of their runs.

        If a plan was stored under older ids and later again, only the later one is returned.
        """
        readable = [self._renamed(p) for p in self._stored_plans() if isinstance(p, StoredPlan)]
        latest = {p.plan_id: p for p in sorted(readable, key=lambda p: (p.created, p.plan_id))}
        return list(latest.values())

    def unread_plans(self) -> list[Skipped]:
        """Returns the plans that cannot be read, and why."""
        return [p for p in self._stored_plans() if isinstance(p, Skipped)]

    def check(self) -> None:
        """Raises UsageError if runs cannot be written here, so that this is known before training instead of after it."""
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
        """Writes a run to the folder for its status and returns the folder that now holds the run.

        A finished run is overwritten only by a record that has more metrics and lacks none of the old ones. So if another
        process was first, its folder stays, and so does a folder that a newer dropbench wrote. beside: contents of the other
        files that the record names. Raises UsageError if the results folder cannot be written, ValueError for a record that
        could not be read back.
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
        """`_stays` for a run that is trained again: it keeps only what a newer dropbench wrote."""
        standing = read(folder)
        return isinstance(standing, Skipped) and _stays(folder, new)

    def write_plan(self, plan: StoredPlan) -> Path:
        """Writes or replaces a plan. Raises UsageError if the results folder cannot be written."""
        typed = [
            text.encode(errors="backslashreplace").decode() for text in plan.overrides
        ]  # words of the command line may hold bytes that are not UTF-8
        content, final = dump(replace(plan, overrides=typed)), self.root / PLANS / f"{plan.plan_id}.json"
        with self._writing():
            files.write_file(final, content)
        return final

    def matching(self, text: str) -> dict[str, list[Path]]:
        """Returns the run folders whose run id or folder name begins with a text, by run id.

        A folder that cannot be read is listed under its own name. If the text is a whole id, only that run is returned, even if
        other ids begin with it.
        """
        found: dict[str, list[Path]] = {}
        for folder in (f for kind in (RUNS, FAILED) for f in files.visible(self.root / kind)):
            record = self.index.record(folder)
            run = record.run_id if isinstance(record, Record) else folder.name
            if text and (run.startswith(text) or folder.name.startswith(text)):
                found.setdefault(run, []).append(folder)
        return {text: found[text]} if text in found else found

    def remove(self, folder: Path) -> None:
        """Removes a run's folder, a plan, a checkpoint or a job, in one step for readers. Raises UsageError if it cannot."""
        if folder.parent.parent.resolve() != self.root.resolve() or folder.parent.name not in _REMOVABLE:
            raise ValueError(f"{folder} is not in {self.root}")
        with self._writing():
            files.discard(folder)

    def _places(self, run_id: str) -> Iterator[Path]:
        """Yields the folders that may hold a run, the best first. Folders with older ids are looked for only if needed."""
        for kind in (RUNS, FAILED):
            if os.path.lexists(folder := self.root / kind / run_id):
                yield folder
            yield from self._old[kind].get(run_id, ())

    @cached_property
    def _old(self) -> dict[str, dict[str, list[Path]]]:
        """Folders named by older ids, for each kind: by the current id of their run, those with the most metrics first."""
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
        """Returns the plan with the current ids of its runs."""
        if plan.schema == SCHEMA:
            return plan
        now = {f.name: run for by_id in self._old.values() for run, folders in by_id.items() for f in folders}

        def renamed(ids: list[str]) -> list[str]:
            return list(dict.fromkeys(now.get(i, i) for i in ids))

        runs, arms = renamed(plan.runs), {name: renamed(ids) for name, ids in plan.arms.items()}
        return replace(plan, runs=runs, arms=arms, plan_id=identity.plan_id(plan.study, runs), schema=SCHEMA)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Creates the folders, removes what killed writers left behind, and turns an OSError into a UsageError."""
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
    """Returns the given metrics that a record lacks, or has with other options, another version or another source.

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
    """Returns whether the content of a folder must stay instead of being replaced by a new record of the same run."""
    standing = read(folder)
    if isinstance(standing, Skipped):  # damaged, or written by a newer dropbench, which alone can judge it
        return new.status in FINISHED and folder.parent.name == RUNS and "newer dropbench" in standing.reason
    return standing.status in FINISHED and not _adds(new, standing)


def _adds(new: Record, standing: Record) -> bool:
    """Returns whether a record has a metric that the standing one lacks, and everything that the standing one has."""
    asked, had = new.config["metric"], standing.config["metric"]
    whole = asked.keys() >= had.keys() and all(
        getattr(new, kind).keys() >= getattr(standing, kind).keys() for kind in ("metrics", "arrays")
    )
    return whole and new.status == standing.status and bool(lacking(standing, asked, new.sources))
