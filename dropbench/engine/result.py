"""What the engine hands back: plain values and NumPy arrays, which can be sent from one process to another; no tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from dropbench.spec import RunSpec

Row = dict[str, float]
Arrays = dict[str, NDArray[Any]]

MAJORITY, ANSWERED = "majority", "answered"
"""Of the test split: the share of the most frequent class, and of the examples that were given the most frequent answer."""
LOGIT, SHIFT, SCALE = "logit/", "preprocessing/shift", "preprocessing/scale"
COLUMNS, TARGET = "columns/", "preprocessing/target"
MEMBER = "member/"
"""Names of what is kept beside a model's own tensors, in whose names there is no slash."""


@dataclass(frozen=True)
class Keep:
    """What is to be kept of a run beside its numbers.

    weights: those that were tested, those of the last epoch, or none. predictions: of the test split what is small, with all
    probabilities, or nothing.
    """

    weights: Literal["best", "last"] | None = None
    predictions: Literal["auto", "probabilities"] | None = "auto"


USUAL = Keep()
"""What is kept where nothing was asked for."""


@dataclass(frozen=True)
class Weights:
    """One run's parameters and buffers by the names that they have in a model without a replica axis, and what goes with them.

    `preprocessing/shift` and `preprocessing/scale`: an example x is seen as x · scale + shift. `columns/...`: what was fitted
    to a table's columns, see `data.tabular.prepare.Fitted`. `preprocessing/target`: centre and spread of a number.
    `logit/<site>`: what a learned rate is the sigmoid of. `member/<i>/<name>`: of an ensemble, the tensor of that name in each
    further network, from 0. rates: in force at each site with noise, their schedules applied.
    epoch: whose weights they are.
    """

    arrays: Arrays
    rates: dict[str, float]
    epoch: int


@dataclass(frozen=True)
class RunResult:
    """One finished run. `metrics` are those of the chosen epoch, test included; empty where the run diverged."""

    spec: RunSpec
    status: Literal["completed", "diverged"]
    reason: str | None
    metrics: Row
    history: list[Row]
    chosen_epoch: int | None
    part_sizes: dict[str, int]
    """Examples of each part of the data, of running text words."""
    parameters: int
    rates: dict[str, float]
    fingerprint: str
    seconds: float
    cohort_size: int
    notes: list[str] = field(default_factory=list)
    learned_rates: dict[str, float] = field(default_factory=dict)
    """Of a variant that learns its rates: those of the chosen epoch, by site; `rates` are where they started."""
    arrays: dict[str, list[float]] = field(default_factory=dict)
    """Short rows of numbers that probes found, as `test_<name>`: the bins of a reliability diagram, say."""
    peak_memory_mb: float | None = None
    """Of the whole cohort: see hardware/memory.py."""
    weights: Weights | None = None
    predictions: Arrays | None = None
    """What was said of each example of the test split: see `engine.said`."""
    test_classes: dict[str, float] = field(default_factory=dict)
    """`majority` and `answered`, where the model is a classifier."""
    own_noise: list[str] = field(default_factory=list)
    """The parts of a user's module that drew random numbers of its own."""
    parent: str | None = None
    """Id of the run that this one went on with, from where that ended."""
    products: str | None = None
    """The library that multiplied matrices in the process that trained it: see hardware/blas.py."""


@dataclass(frozen=True)
class Progress:
    """The end of an epoch for the runs of a cohort that are still training: one row of history each."""

    epoch: int
    epochs: int
    rows: dict[str, Row]
    """By run id."""


Listener = Callable[[Progress], None]
