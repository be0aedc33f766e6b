"""What the engine hands back: plain values, no tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dropbench.spec import RunSpec

Row = dict[str, float]


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
    own_noise: list[str] = field(default_factory=list)
    """The parts of a user's module that drew random numbers of its own."""


@dataclass(frozen=True)
class Progress:
    """The end of an epoch for the runs of a cohort that are still training: one row of history each."""

    epoch: int
    epochs: int
    rows: dict[str, Row]
    """By run id."""


Listener = Callable[[Progress], None]
