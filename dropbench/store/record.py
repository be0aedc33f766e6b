"""What is stored of a run and of a plan, and its form on the disk.

JSON has no word for a non-finite float: metrics, rates and seconds hold the strings "NaN", "Infinity" and "-Infinity" and
are read back as floats; inside `config` it is null (no such setting). In history.csv they are `nan`, `inf` and `-inf`, and
None is an empty cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from dropbench import identity
from dropbench.store import migrate
from dropbench.store.files import visible

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 2
"""Version of record.json and of plan files. It rises when a reader of the older form would misread the newer one."""

Status = Literal["completed", "diverged", "failed"]
FINISHED = ("completed", "diverged")
"""A diverged run would diverge again, so it counts as finished; a failed one may succeed when tried again."""

RECORD = "record.json"
WEIGHTS, PREDICTIONS = "weights.safetensors", "test.npz"
"""What a run's folder holds beside it where they were kept."""
_SETTING = re.compile(rb'"setting_id": "(\w+)"')
_LEGAL_JSON: Any = {"ser_json_inf_nan": "strings"}


@dataclass(frozen=True)
class Measure:
    """How a number in a record's metrics is to be read, as its metric declared it.

    Attributes
    ----------
    direction : {"higher", "lower", "neither"}
        Which of two values is better.
    range : tuple
        The least and the largest value there is; None where there is no bound.
    unit : str
        `percent` for a fraction that people read in percent, `nats`, or nothing.
    region : str
        Differences within it count as none, as typed: `0.2pp`, `1%` or `0.01`.
    version : int
        Of the metric; numbers of other versions cannot be compared.
    """

    direction: Literal["higher", "lower", "neither"] = "neither"
    range: tuple[float | None, float | None] = (None, None)
    unit: str = ""
    region: str = "1%"
    version: int = 1


@dataclass(frozen=True)
class UsedVariant:
    """One of an arm's variants. rates: {site: probability dropped}, before any schedule."""

    name: str
    version: int
    rates: dict[str, float]


@dataclass(frozen=True)
class UsedRegularizer:
    """A regularizer beside dropout that was on, by its key in `train`: `weight_decay`, `augment.flip`."""

    name: str
    strength: float


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run was and what came of it; docs/record.md has one whole.

    Attributes
    ----------
    run_id : str
        Hash of configuration, seed, data and the user's sources: see `dropbench.identity`. The name of the run's folder.
    arm_id : str
        The same without the seed.
    setting_id : str
        Hash of the configuration alone, by which the same setting on other data is found.
    status : {"completed", "diverged", "failed"}
        Diverged: its loss was not finite. Failed: it raised.
    reason : str or None
        Why it is not completed.
    config : dict
        Nested, as the command line names it.
    seed : int
        As in `config`.
    task : str or None
        What the model is trained for; None where that is not known.
    metrics : dict
        `<part>_<name>` at the chosen epoch; accuracies are fractions. `gap_*` is train minus validation, both in eval mode.
        Empty for a run that diverged or failed.
    measures : dict
        How to read each of them, by its name without the part.
    target_unit : str or None
        Of the numbers to be predicted; None for classes.
    arrays : dict
        Short rows of numbers that a metric gave, by its name.
    chosen_epoch : int or None
        The epoch, from 1, whose weights were tested.
    epochs_run : int
        How many were trained.
    n : dict
        Examples in train, val and test.
    parameters : int or None
        How many numbers were trained.
    variants : list of UsedVariant
        The arm's, in order.
    regularizers : list of UsedRegularizer
        Those beside dropout that were on.
    rates : dict
        Probability of dropping by site, before any schedule.
    learned_rates : dict
        Those at the chosen epoch, of a variant that learns them; `rates` is where it began.
    data_fingerprint : str or None
        Hash of the data's shapes and bytes; None if the run failed before they were read.
    sources : dict
        Hashes of the code of the user's parts, by import path; "unknown" in a record of schema 1.
    seconds : float
        Of wall clock, the run's share of its cohort's.
    started : str
        ISO 8601, UTC.
    device, threads, cohort_size : str, int, int
        Where it was trained, and how many runs trained together.
    products : str or None
        The library that multiplied matrices: openblas, mkl, torch (neither), cuda or mps; None where it is not known.
    peak_memory_mb : float or None
        10**6 bytes: of the device or, on a CPU, of the process, while the whole cohort trained.
    versions : dict
        Of dropbench, python, torch and numpy.
    git_commit : str or None
        Of dropbench's checkout; None once installed.
    predictions, weights : str or None
        Names of files in the run's folder; None where they were not kept.
    parent : str or None
        Id of the run that this one went on with.
    schema : int
        Version of this form. It is the last in the file.
    """

    __pydantic_config__: ClassVar[Any] = _LEGAL_JSON

    run_id: str
    arm_id: str
    setting_id: str
    status: Status
    reason: str | None
    config: dict[str, Any]
    seed: int
    task: str | None
    metrics: dict[str, float]
    measures: dict[str, Measure]
    target_unit: str | None = None
    arrays: dict[str, list[float]] = field(default_factory=dict)
    chosen_epoch: int | None
    epochs_run: int
    n: dict[str, int]
    parameters: int | None
    variants: list[UsedVariant]
    regularizers: list[UsedRegularizer]
    rates: dict[str, float]
    learned_rates: dict[str, float] = field(default_factory=dict)
    data_fingerprint: str | None
    sources: dict[str, str]
    seconds: float
    started: str
    device: str
    threads: int
    cohort_size: int
    products: str | None
    peak_memory_mb: float | None = None
    versions: dict[str, str]
    git_commit: str | None
    predictions: str | None = None
    weights: str | None = None
    parent: str | None = None
    schema: int = SCHEMA


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
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
    """records: by run id, one of each. skipped: by path. folders: where each record lies, by run id."""

    records: list[Record]
    skipped: list[Skipped]
    folders: dict[str, Path]


def read(folder: Path) -> Record | Skipped:
    """The record of one run folder, or why there is none. Never raises for what lies there.

    One of schema 1 is migrated, so that its id is no longer the folder's name. One whose id does not follow from its content,
    because someone edited it, is skipped.
    """
    tree = _tree(folder / RECORD, "run_id")
    if isinstance(tree, Skipped):
        return Skipped(folder, tree.reason)
    if tree["run_id"] != folder.resolve().name:
        return Skipped(folder, f"it holds the record of another run, {tree['run_id']}")
    old = tree["schema"] < SCHEMA
    try:
        record = _validated(folder / RECORD, migrate.record(tree) if old else tree, Record)
        wrong = None if old or isinstance(record, Skipped) else _wrong_id(record)
    except ValueError as error:
        wrong = str(error)
    except (TypeError, AttributeError, KeyError):
        wrong = "its configuration is none of dropbench's"
    if wrong is not None:
        again = "; what it was is in its config.yaml, to be trained anew" if old else ""
        return Skipped(folder, f"{RECORD}: {wrong}{again}")
    return Skipped(folder, record.reason) if isinstance(record, Skipped) else record


def read_all(*folders: Path) -> Loaded:
    """Every run folder directly inside `folders`, hidden names apart; an absent folder holds nothing.

    Of several records of one run, finished ones come first, then those that measured more, then newer forms.
    """
    best: dict[str, tuple[tuple[bool, int, bool], Record, Path]] = {}
    skipped = []
    for folder in (f for parent in folders for f in visible(parent)):
        record = read(folder)
        if isinstance(record, Skipped):
            skipped.append(record)
            continue
        rank = record.status in FINISHED, len(record.metrics), record.run_id == folder.name
        if record.run_id not in best or rank > best[record.run_id][0]:
            best[record.run_id] = rank, record, folder
    kept = {run: best[run] for run in sorted(best)}
    return Loaded(
        [record for _, record, _ in kept.values()],
        sorted(skipped, key=lambda s: s.path),
        {run: folder for run, (_, _, folder) in kept.items()},
    )


def read_plan(path: Path) -> StoredPlan | Skipped:
    """A stored plan, or why there is none. One of schema 1 still has the ids of its time: see `Store.plans`."""
    tree = _tree(path, "plan_id")
    return tree if isinstance(tree, Skipped) else _validated(path, tree, StoredPlan)


def setting_in(folder: Path) -> str | None:
    """The setting of a run folder's record, from its first bytes alone."""
    try:
        with (folder / RECORD).open("rb") as file:
            told = _SETTING.search(file.read(256))
    except OSError:
        return None
    return told[1].decode() if told else None


def record_from(tree: Mapping[str, Any]) -> Record:
    """A record from plain values by field. Raises ValueError where one is of a wrong type."""
    record: Record = _adapter(Record.__name__).validate_python(dict(tree))
    return record


def is_old(folder: Path) -> bool:
    """Whether a run folder holds a record of an older schema; reads its last bytes alone."""
    try:
        with (folder / RECORD).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 64))
            _, key, value = file.read().rpartition(b'"schema":')
    except OSError:
        return False
    number = value.strip().rstrip(b"}").strip()
    return bool(key) and number.isdigit() and int(number) < SCHEMA


def dump(thing: Record | StoredPlan) -> bytes:
    """JSON, checked to be readable. Raises ValueError for values of a wrong type (a tensor, say) or a strange id."""
    name = thing.run_id if isinstance(thing, Record) else thing.plan_id
    if not name or name.startswith(".") or any(c in name for c in "/\\\0~"):
        raise ValueError(f"{name!r} cannot be the name of a folder")
    if isinstance(thing, Record) and (wrong := _wrong_id(thing)):
        raise ValueError(f"{name}: {wrong}")
    adapter = _adapter(type(thing).__name__)
    content: bytes = adapter.dump_json(thing, indent=1, warnings="error")
    adapter.validate_json(content)
    return content + b"\n"


def _wrong_id(record: Record) -> str | None:
    """Why a record is not what it says, or None."""
    told = {"run_id": record.run_id, "arm_id": record.arm_id, "setting_id": record.setting_id}
    follows = identity.ids(record.config, record.data_fingerprint, record.sources)
    for name, value in told.items():
        if value != follows[name]:
            return f"its {name} does not follow from what it says (that would be {follows[name]}), so it was changed"
    if record.config.get("seed") != record.seed:
        return f"it says seed {record.seed} and its configuration {record.config.get('seed')}, so it was changed"
    return None


_Kind = TypeVar("_Kind", Record, StoredPlan)


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    """Pydantic's reader and writer of a dataclass, made when first needed: commands that read no record do not wait."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record if kind == Record.__name__ else StoredPlan)


def _tree(path: Path, known: str) -> dict[str, Any] | Skipped:
    """The JSON of a file that dropbench wrote: that has `known` and a schema that can be read."""
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
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if type(schema) is not int or known not in tree:
        return Skipped(path, f"{path.name} was not written by dropbench")
    if schema > SCHEMA:
        return Skipped(path, f"written by a newer dropbench (schema {schema}; this one reads {SCHEMA})")
    return dict(tree)


def _validated(path: Path, tree: dict[str, Any], kind: type[_Kind]) -> _Kind | Skipped:
    try:
        thing: _Kind = _adapter(kind.__name__).validate_python(tree)
        return thing
    except ValueError as error:  # pydantic's ValidationError is one
        first: dict[str, Any] = getattr(error, "errors", lambda: [{}])()[0]
        where = ".".join(map(str, first.get("loc", ())))
        return Skipped(path, f"{path.name}: {where}: {str(first.get('msg', error)).lower()}")
