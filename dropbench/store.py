"""Run folders on disk: written whole or not at all, listed, and read back. No torch, no pandas.

    results/runs/<run_id>/     config.yaml · record.json · history.csv   (completed or diverged: finished)
    results/failed/<run_id>/   the same with traceback.txt               (never finished; replaced when tried again)
    results/plans/<plan_id>.json

A folder is written under a hidden name beside its place, synced, then renamed: a reader sees a whole run or none.

JSON has no word for a non-finite float: metrics, rates and seconds hold the strings "NaN", "Infinity" and "-Infinity" and
are read back as floats; inside `config` it is null (no such setting). In history.csv they are `nan`, `inf` and `-inf`, and
None is an empty cell.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
"""Version of record.json and of plan files. It rises when a reader of the older form would misread the newer one."""

Status = Literal["completed", "diverged", "failed"]
FINISHED = ("completed", "diverged")
"""A diverged run would diverge again, so it counts as finished; a failed one may succeed when tried again."""

RUNS, FAILED, PLANS, RECORD = "runs", "failed", "plans", "record.json"
_ABANDONED_S = 24 * 3600.0
_LEGAL_JSON: Any = {"ser_json_inf_nan": "strings"}


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run was and what came of it.

    config: nested, as the command line names it. metrics: at the chosen epoch, fractions (not percent) for accuracies;
    gap_* = train minus validation, both in eval mode; empty for a diverged or failed run. n: examples in train, val and
    test. rates: {site: probability dropped}, before any schedule. learned_rates: those at the chosen epoch, where a variant
    learns them and `rates` is where it began. arrays: short rows that a metric found, by its name. seconds: of wall clock.
    started: ISO 8601, UTC. peak_memory_mb: of the device or, on a CPU, the process while the whole cohort trained, in 10**6
    bytes; None where it is not known. What has a default came later: older records lack it.
    """

    __pydantic_config__: ClassVar[Any] = _LEGAL_JSON

    run_id: str
    arm_id: str
    status: Status
    reason: str | None
    config: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    chosen_epoch: int | None
    epochs_run: int
    n: dict[str, int]
    parameters: int | None
    rates: dict[str, float]
    data_fingerprint: str | None
    seconds: float
    device: str
    threads: int
    cohort_size: int
    versions: dict[str, str]
    git_commit: str | None
    started: str
    learned_rates: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, list[float]] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    schema: int = SCHEMA


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study or command line as it was expanded: which runs are which arm.

    arms: {name: run ids}, in the plan's order; only a study names arms. runs: all of its run ids. created: when it was started
    last, ISO 8601, UTC.
    """

    __pydantic_config__: ClassVar[Any] = _LEGAL_JSON

    plan_id: str
    study: str | None
    question: str | None
    baseline: str
    arms: dict[str, list[str]]
    overrides: list[str]
    created: str
    runs: list[str] = field(default_factory=list)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Skipped:
    """Something in a results folder that could not be used, and why: half a sentence to show beside its path."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Loaded:
    """records: by run id. skipped: by path."""

    records: list[Record]
    skipped: list[Skipped]


def read(folder: Path) -> Record | Skipped:
    """The record of one run folder, or why there is none. Never raises for what it finds there."""
    record = _read(folder / RECORD, Record)
    if isinstance(record, Skipped):
        return Skipped(folder, record.reason)
    if record.run_id != folder.resolve().name:
        return Skipped(folder, f"it holds the record of another run, {record.run_id}")
    return record


def read_all(folder: Path) -> Loaded:
    """Every run folder directly inside `folder`, hidden names apart; an absent folder holds nothing."""
    found = [read(f) for f in _visible(folder)]
    return Loaded([r for r in found if isinstance(r, Record)], [s for s in found if isinstance(s, Skipped)])


class Store:
    """One results folder. Making a Store touches nothing; the first write makes the folders it needs."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._swept = False

    def is_done(self, run_id: str) -> bool:
        """Whether a readable record says that the run completed or diverged."""
        record = read(self.root / RUNS / run_id)
        return isinstance(record, Record) and record.status in FINISHED

    def find(self, run_id: str) -> Record | Skipped | None:
        """The record of a run, finished or failed; None if it was never tried."""
        found = [read(f) for f in (self.root / RUNS / run_id, self.root / FAILED / run_id) if f.exists()]
        return next((r for r in found if isinstance(r, Record)), found[0] if found else None)

    def load(self) -> Loaded:
        """All records, finished and failed, and what was skipped (plans that cannot be read included).

        A failure that a finished run has since replaced is left out: a crash may come between the two steps.
        """
        runs, failed = read_all(self.root / RUNS), read_all(self.root / FAILED)
        finished = {r.run_id for r in runs.records}
        records = runs.records + [r for r in failed.records if r.run_id not in finished]
        skipped = runs.skipped + failed.skipped + [p for p in self._plans() if isinstance(p, Skipped)]
        return Loaded(sorted(records, key=lambda r: r.run_id), sorted(skipped, key=lambda s: s.path))

    def history(self, run_id: str) -> Path:
        """Where the run's epochs are: history.csv, a row an epoch; of its failed attempt if it never finished."""
        finished, failed = (self.root / kind / run_id / "history.csv" for kind in (RUNS, FAILED))
        return failed if failed.exists() and not finished.exists() else finished

    def plans(self) -> list[Plan]:
        """The readable plans, oldest first."""
        return sorted((p for p in self._plans() if isinstance(p, Plan)), key=lambda p: (p.created, p.plan_id))

    def check(self) -> None:
        """Raises UsageError if runs could not be written here: better before training than after it."""
        with self._writing():
            os.rmdir(self._temporary(self.root / RUNS / "check"))

    def write(
        self,
        record: Record,
        history: Sequence[Mapping[str, float | int | str | None]],
        config_yaml: str,
        traceback: str | None = None,
    ) -> Path:
        """Puts a run in its place by its status and returns the folder that now stands for it.

        A finished run is never overwritten: where another process was first, its folder stays, and so does a folder that
        a newer dropbench wrote. Raises UsageError if the results folder cannot be written, ValueError for a record that
        could not be read back.
        """
        files = {RECORD: _dump(record), "history.csv": _csv(history), "config.yaml": config_yaml.encode()}
        if traceback is not None:
            files["traceback.txt"] = traceback.encode(errors="replace")
        finished, failed = self.root / RUNS / record.run_id, self.root / FAILED / record.run_id
        if record.status not in FINISHED and self.is_done(record.run_id):
            return finished
        final = finished if record.status in FINISHED else failed
        with self._writing():
            temporary = self._temporary(final)
            try:
                for name, content in files.items():
                    _write_synced(temporary / name, content)
                _sync_folder(temporary)
                self._publish(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            if final == finished and failed.exists():
                self._discard(failed)
        return final

    def write_plan(self, plan: Plan) -> Path:
        """Writes or replaces a plan. Raises UsageError if the results folder cannot be written."""
        content, final = _dump(plan), self.root / PLANS / f"{plan.plan_id}.json"
        with self._writing():
            temporary = self._temporary(final)
            try:
                _write_synced(temporary / final.name, content)
                os.replace(temporary / final.name, final)
                _sync_folder(final.parent)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return final

    def _plans(self) -> list[Plan | Skipped]:
        return [_read(p, Plan) for p in _visible(self.root / PLANS)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The folders exist, what killed writers left behind is gone, and an OSError is a sentence."""
        try:
            for kind in (RUNS, FAILED, PLANS):
                (self.root / kind).mkdir(parents=True, exist_ok=True)
                if not self._swept:
                    _sweep(self.root / kind)
            self._swept = True
            yield
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(
                f"cannot write results into {self.root}: {why}; choose another folder: results=DIR"
            ) from error

    def _temporary(self, final: Path) -> Path:
        """A new hidden folder beside `final` (so on its file system), named after its maker: see `_sweep`."""
        folder = final.parent / f".{final.name}~{_host()}~{os.getpid()}~{secrets.token_hex(4)}"
        folder.mkdir()
        return folder

    def _publish(self, temporary: Path, final: Path) -> None:
        """Renames `temporary` to `final`; what stands there is kept if it is worth keeping, else replaced."""
        for _ in range(8):  # only a storm of writers of one run can use these up, and then one of theirs stands
            try:
                os.rename(temporary, final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            else:
                return _sync_folder(final.parent)
            if final.parent.name == RUNS and _worth_keeping(final):
                return
            self._discard(final)

    def _discard(self, folder: Path) -> None:
        """Removes a folder in one step for readers: renamed out of sight first."""
        hidden = self._temporary(folder)
        with suppress(FileNotFoundError):  # another process was first
            os.rename(folder, hidden / folder.name)
        shutil.rmtree(hidden, ignore_errors=True)


_Kind = TypeVar("_Kind", Record, Plan)


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    """Pydantic's reader and writer of a dataclass, made when first needed: commands that read no record do not wait."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record if kind == Record.__name__ else Plan)


def _dump(thing: Record | Plan) -> bytes:
    """JSON, checked to be readable. Raises ValueError for values of a wrong type (a tensor, say) or a strange id."""
    name = thing.run_id if isinstance(thing, Record) else thing.plan_id
    if not name or name.startswith(".") or any(c in name for c in "/\\\0~"):
        raise ValueError(f"{name!r} cannot be the name of a folder")
    adapter = _adapter(type(thing).__name__)
    content: bytes = adapter.dump_json(thing, indent=1, warnings="error")
    adapter.validate_json(content)
    return content + b"\n"


def _read(path: Path, kind: type[_Kind]) -> _Kind | Skipped:
    try:
        tree = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Skipped(path, f"no {path.name}")
    except NotADirectoryError:
        return Skipped(path, "not a run folder")
    except OSError as error:
        return Skipped(path, f"{path.name} cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Skipped(path, f"{path.name} is not JSON, perhaps cut short")
    known = "run_id" if kind is Record else "plan_id"
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if type(schema) is not int or known not in tree:
        return Skipped(path, f"{path.name} was not written by dropbench")
    if schema > SCHEMA:
        return Skipped(path, f"written by a newer dropbench (schema {schema}; this one reads {SCHEMA})")
    try:
        found: _Kind = _adapter(kind.__name__).validate_python(tree)
        return found
    except ValueError as error:  # pydantic's ValidationError is one
        first: dict[str, Any] = getattr(error, "errors", lambda: [{}])()[0]
        where = ".".join(map(str, first.get("loc", ())))
        return Skipped(path, f"{path.name}: {where}: {str(first.get('msg', error)).lower()}")


def _worth_keeping(folder: Path) -> bool:
    """A finished run, or one that only a newer dropbench can judge; not one that is damaged."""
    record = read(folder)
    return record.status in FINISHED if isinstance(record, Record) else "newer dropbench" in record.reason


def _csv(rows: Sequence[Mapping[str, float | int | str | None]]) -> bytes:
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["epoch"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


@cache
def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _sweep(folder: Path) -> None:
    """Removes what killed writers left: their process is gone or, made on another machine, it is a day old."""
    for leftover in folder.glob(".*~*~*~*"):
        _, host, pid, _ = leftover.name.rsplit("~", 3)
        try:
            old = time.time() - leftover.stat().st_mtime > _ABANDONED_S
        except FileNotFoundError:
            continue
        if old or (host == _host() and not _alive(pid)):
            shutil.rmtree(leftover, ignore_errors=True)


def _alive(pid: str) -> bool:
    if not pid.isdigit() or os.name != "posix":  # elsewhere os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
