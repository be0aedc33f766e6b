"""The engine's results: plain values and NumPy arrays, not tensors, so that they can be sent between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from dropbench.spec import RunSpec

Row = dict[str, float]
Arrays = dict[str, NDArray[Any]]

MAJORITY, ANSWERED = "majority", "answered"
"""Keys for two shares of the test split: of the most frequent class, and of the most frequent answer."""
LOGIT, SHIFT, SCALE = "logit/", "preprocessing/shift", "preprocessing/scale"
COLUMNS, TARGET = "columns/", "preprocessing/target"
MEMBER = "member/"
"""Names or prefixes of the arrays that are kept besides a model's own tensors, whose names contain no slash."""


@dataclass(frozen=True)
class Keep:
    """What is to be kept of a run besides its numbers.

    weights: `best` for the weights that were tested, `last` for those of the last epoch, None for none. predictions: on the
    test split, `auto` for those that take little space, `probabilities` for all class probabilities too, None for none.
    """

    weights: Literal["best", "last"] | None = None
    predictions: Literal["auto", "probabilities"] | None = "auto"


USUAL = Keep()
"""What is kept by default."""


@dataclass(frozen=True)
class Weights:
    """One run's parameters and buffers, by their names in a model without a replica axis, and the numbers that belong to them.

    `arrays` also has these names. `preprocessing/shift` and `preprocessing/scale`: the model receives x · scale + shift of an
    example x. `columns/...`: what was fitted to a table's columns, see `data.tabular.prepare.Fitted`.
    `preprocessing/target`: centre and spread of a numeric target. `logit/<site>`: the parameter whose sigmoid is a learned
    rate. `member/<i>/<name>`: the tensor of that name in an ensemble's further network i, from 0.

    rates: the rates at each site with noise after their schedules. epoch: the epoch whose weights these are.
    """

    arrays: Arrays
    rates: dict[str, float]
    epoch: int


@dataclass(frozen=True)
class RunResult:
    """One finished run. `metrics` are those of the chosen epoch, including the test metrics; empty if the run diverged."""

    spec: RunSpec
    status: Literal["completed", "diverged"]
    reason: str | None
    metrics: Row
    history: list[Row]
    chosen_epoch: int | None
    part_sizes: dict[str, int]
    """The number of examples (for running text, words) in each part of the data."""
    parameters: int
    rates: dict[str, float]
    fingerprint: str
    seconds: float
    cohort_size: int
    notes: list[str] = field(default_factory=list)
    learned_rates: dict[str, float] = field(default_factory=dict)
    """For a variant that learns its rates: the rates at the chosen epoch, by site; `rates` has their initial values."""
    arrays: dict[str, list[float]] = field(default_factory=dict)
    """Short rows of numbers from probes, named `test_<name>`, such as the bins of a reliability diagram."""
    peak_memory_mb: float | None = None
    """The peak memory of the whole cohort: see hardware/memory.py."""
    weights: Weights | None = None
    predictions: Arrays | None = None
    """The predictions for each example of the test split: see `engine.said`."""
    test_classes: dict[str, float] = field(default_factory=dict)
    """The shares `majority` and `answered` if the model is a classifier."""
    own_noise: list[str] = field(default_factory=list)
    """The parts of a user's module that drew their own random numbers."""
    parent: str | None = None
    """The id of the run that this one continued from its end."""
    task: str = "classify"
    """What the model was trained for, which may follow from the data: see `planning.outline`."""
    products: str | None = None
    """The library that multiplied matrices in the process that trained this run: see hardware/blas.py."""


@dataclass(frozen=True)
class Progress:
    """The end of an epoch, with one row of history for each run of the cohort that is still training."""

    epoch: int
    epochs: int
    rows: dict[str, Row]
    """The rows by run id."""


Listener = Callable[[Progress], None]
