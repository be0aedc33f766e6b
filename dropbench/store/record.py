"""The fields that are stored for a run and for a plan. `reading.py` reads and writes the files.

JSON cannot represent a non-finite float: metrics, rates and seconds hold the strings "NaN", "Infinity" and "-Infinity" and
are read back as floats; inside `config` it becomes null (no setting is non-finite). In history.csv they are `nan`, `inf` and
`-inf`, and None is an empty cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dropbench.store.course import Course
from dropbench.store.statements import StoredCheck, StoredClaim, StoredProgram

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 2
"""Version of record.json and of plan files. It is raised when code for the older form would misread the newer one."""

Status = Literal["completed", "diverged", "failed"]
FINISHED = ("completed", "diverged")
"""A diverged run would diverge again, so it counts as finished; a failed one may succeed when tried again."""

RECORD = "record.json"
WEIGHTS, PREDICTIONS = "weights.safetensors", "test.npz"
"""Optional files beside the record in a run's folder."""
_LEGAL_JSON: Any = {"ser_json_inf_nan": "strings"}


@dataclass(frozen=True)
class Measure:
    """How to read a number in a record's metrics, as its metric declared it.

    Attributes
    ----------
    direction : {"higher", "lower", "neither"}
        Which of two values is better.
    range : tuple
        The smallest and the largest possible value; None if there is no bound.
    unit : str
        `percent` for a fraction that is shown in percent, `nats`, or empty.
    region : str
        Differences within it count as none, as typed: `0.2pp`, `1%` or `0.01`.
    version : int
        The version of the metric; values of different versions cannot be compared.
    """

    direction: Literal["higher", "lower", "neither"] = "neither"
    range: tuple[float | None, float | None] = (None, None)
    unit: str = ""
    region: str = "1%"
    version: int = 1


@dataclass(frozen=True)
class UsedVariant:
    """One of an arm's variants. rates: {site: probability of dropping}, before any schedule."""

    name: str
    version: int
    rates: dict[str, float]


@dataclass(frozen=True)
class UsedRegularizer:
    """A regularizer other than dropout that was on. name: its key in `train`, such as `weight_decay` or `augment.flip`."""

    name: str
    strength: float


@dataclass(frozen=True, kw_only=True)
class Record:
    """The description and the results of one run; docs/record.md shows a complete example.

    Attributes
    ----------
    run_id : str
        Hash of configuration, seed, data and the user's sources: see `dropbench.identity`. It is also the folder's name.
    arm_id : str
        The same hash without the seed.
    setting_id : str
        Hash of the configuration alone, by which the same setting on other data is found.
    status : {"completed", "diverged", "failed"}
        Diverged: its loss was not finite. Failed: it raised an error.
    reason : str or None
        Why it did not complete.
    config : dict
        The configuration, nested like the keys of the command line.
    seed : int
        The same as in `config`.
    task : str or None
        What the model is trained for; None if that is not known.
    metrics : dict
        `<part>_<name>` at the chosen epoch; accuracies are fractions. `gap_*` is train minus validation, both in eval mode.
        Empty for a run that diverged or failed.
    measures : dict
        How to read each metric, by its name without the part.
    target_unit : str or None
        The unit of the predicted numbers; None for classes.
    arrays : dict
        Short lists of numbers that metrics returned, by name.
    chosen_epoch : int or None
        The epoch, from 1, whose weights were tested.
    epochs_run : int
        How many epochs were trained.
    n : dict
        Number of examples in train, val and test.
    parameters : int or None
        Number of trained parameters.
    variants : list of UsedVariant
        The arm's variants, in order.
    regularizers : list of UsedRegularizer
        The other regularizers that were on.
    rates : dict
        Probability of dropping by site, before any schedule.
    learned_rates : dict
        For a variant that learns its rates, the rates at the chosen epoch; `rates` holds their initial values.
    own_noise : list of str
        The parts of a user's module that drew random numbers themselves. Their noise acted in every arm.
    test_classes : dict
        For a classifier's test split: `majority`, the share of the most frequent class, and `answered`, the share of examples
        that were given the most frequent answer. Empty in records from before it was stored.
    data_fingerprint : str or None
        Hash of the data's shapes and bytes; None if the run failed before they were read.
    sources : dict
        Hashes of the code of the user's parts, by import path; "unknown" in a record of schema 1.
    seconds : float
        Wall-clock time: the run's share of its cohort's.
    started : str
        ISO 8601, UTC.
    device, threads, cohort_size : str, int, int
        Where it was trained, with how many threads, and how many runs were trained together.
    products : str or None
        What multiplied matrices: openblas, mkl, torch, onednn (hardware/blas.py), cuda or mps; None if it is not known.
    peak_memory_mb : float or None
        Peak memory in 10**6 bytes while the whole cohort trained: of the device or, on a CPU, of the process.
    versions : dict
        Versions of dropbench, python, torch and numpy.
    git_commit : str or None
        The commit of dropbench's checkout; None for an installed package.
    predictions, weights : str or None
        Names of files in the run's folder; None if they were not kept.
    parent : str or None
        Id of the run from which this one continued.
    schema : int
        Version of this form. It is the last field in the file.
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
    own_noise: list[str] = field(default_factory=list)
    test_classes: dict[str, float] = field(default_factory=dict)
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


ADVISE = "advise"
"""The study of the plans that `dropbench advise` makes."""


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """A study or command line in expanded form: which runs belong to which arm.

    arms: {name: run ids}, in the plan's order; only a study names arms. tables: {setting id of the baseline: {arm: run ids}}
    for each table of its report; empty for a plain grid and in older plans, whose tables hold arms that differ only in
    regularizers. runs: the ids of all runs that it compares. created: when it was last started, ISO 8601, UTC. course: for a
    plan whose next runs depend on its results. outcomes: metrics that were named in advance. contrasts: questions about the
    arms that were named in advance, by name. claims, checks, programs: the statements that it tests, by name. data_notes: what
    a reader should know about how its data were read. shard: the part of it that was last trained here, such as `3/8`; None
    for all of it.
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
    tables: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    course: Course | None = None
    outcomes: list[str] = field(default_factory=list)
    contrasts: dict[str, str] = field(default_factory=dict)
    claims: dict[str, StoredClaim] = field(default_factory=dict)
    checks: dict[str, StoredCheck] = field(default_factory=dict)
    programs: dict[str, StoredProgram] = field(default_factory=dict)
    data_notes: list[str] = field(default_factory=list)
    shard: str | None = None
    schema: int = SCHEMA

    @property
    def every_run(self) -> list[str]:
        """The ids of all compared runs; empty for an older plan of a plain grid, which names no arms."""
        return list(dict.fromkeys([*self.runs, *(run for runs in self.arms.values() for run in runs)]))

    @property
    def later(self) -> list[str]:
        """The ids of the runs that it will compare from its next look on, and does not compare yet."""
        known = set(self.every_run)
        stages = self.course.stages if self.course else []
        return list(dict.fromkeys(r for s in stages if s.name == "comparison" for r in s.runs if r not in known))

    @property
    def trained(self) -> list[str]:
        """The ids of all runs that it trains: those of its stages (tuning, pilot) and the compared ones."""
        of_stages = [run for stage in self.course.stages for run in stage.runs] if self.course else []
        return list(dict.fromkeys([*of_stages, *self.every_run]))


@dataclass(frozen=True)
class Skipped:
    """A path in a results folder that could not be used, and why: half a sentence to show beside the path."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Loaded:
    """records: one for each run, sorted by run id. skipped: sorted by path. folders: the folder of each record, by run id."""

    records: list[Record]
    skipped: list[Skipped]
    folders: dict[str, Path]


def record_from(tree: Mapping[str, Any]) -> Record:
    """Returns a record made from plain values by field. Raises ValueError if one has a wrong type."""
    record: Record = adapter(Record.__name__).validate_python(dict(tree))
    return record


@cache
def adapter(kind: str) -> TypeAdapter[Any]:
    """Returns pydantic's reader and writer of a dataclass, made on first use: commands that read no record do not wait."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record if kind == Record.__name__ else StoredPlan)
