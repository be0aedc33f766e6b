"""What is stored of a run and of a plan: its fields. `reading.py` has its form on the disk.

JSON has no word for a non-finite float: metrics, rates and seconds hold the strings "NaN", "Infinity" and "-Infinity" and
are read back as floats; inside `config` it is null (no such setting). In history.csv they are `nan`, `inf` and `-inf`, and
None is an empty cell.
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
"""Version of record.json and of plan files. It rises when a reader of the older form would misread the newer one."""

Status = Literal["completed", "diverged", "failed"]
FINISHED = ("completed", "diverged")
"""A diverged run would diverge again, so it counts as finished; a failed one may succeed when tried again."""

RECORD = "record.json"
WEIGHTS, PREDICTIONS = "weights.safetensors", "test.npz"
"""What a run's folder holds beside it where they were kept."""
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
    own_noise : list of str
        The parts of a user's module that drew random numbers of its own, which acted in every arm.
    test_classes : dict
        Of a classifier's test split, `majority`, the share of its most frequent class, and `answered`, the share of examples
        that were given the most frequent answer. Empty in records of before it was kept.
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
        What multiplied matrices: openblas, mkl, torch, onednn (hardware/blas.py), cuda or mps; None where it is not known.
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


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    """A study or command line as it was expanded: which runs are which arm.

    arms: {name: run ids}, in the plan's order; only a study names arms. tables: those of each table of its report, by the
    setting id of its baseline; empty in a plan of before, whose tables are of arms that differ in regularizers alone. runs: all
    that it compares, by id. created: when it was started last, ISO 8601, UTC. course: of one that goes on from what it finds.
    outcomes: metrics that were named in advance. contrasts: questions to the arms that were, by name. claims, checks,
    programs: statements that it puts to the test, by name.
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
    schema: int = SCHEMA

    @property
    def every_run(self) -> list[str]:
        """All of its run ids; of an older record of a plain grid, which names no arms, none."""
        return list(dict.fromkeys([*self.runs, *(run for runs in self.arms.values() for run in runs)]))

    @property
    def trained(self) -> list[str]:
        """These and those that tuned them."""
        of_stages = [run for stage in self.course.stages for run in stage.runs] if self.course else []
        return list(dict.fromkeys([*of_stages, *self.every_run]))


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


def record_from(tree: Mapping[str, Any]) -> Record:
    """A record from plain values by field. Raises ValueError where one is of a wrong type."""
    record: Record = adapter(Record.__name__).validate_python(dict(tree))
    return record


@cache
def adapter(kind: str) -> TypeAdapter[Any]:
    """Pydantic's reader and writer of a dataclass, made when first needed: commands that read no record do not wait."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record if kind == Record.__name__ else StoredPlan)
