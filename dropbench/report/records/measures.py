"""What the runs measured: names, which way is better, and how a value is written.

A measure is a part and a metric, `test_accuracy`: parts are train, val, test and gap (train minus validation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "val", "test", "gap")
LEADING = ("accuracy", "loss")
"""The metrics that come first in a table; the first that the runs have is what a verdict is about by default."""
HIGHER = ("accuracy", "auroc")
LOWER = ("loss", "perplexity", "nll", "brier", "ece", "error", "epochs", "updates", "membership_auc")
"""Names, or their last words, of metrics that are better when higher or lower; others are only said to be higher or lower."""

Write = Callable[[float], str]


def measured(frame: pd.DataFrame) -> list[str]:
    """The metrics that some run has: accuracy and loss first, then by name. Reads `<part>_<metric>` columns."""
    found = {
        c.partition("_")[2]
        for c in frame.columns
        if "." not in c and c.startswith(tuple(f"{p}_" for p in PARTS)) and not c.endswith("_examples")
    }
    found = {
        name for name in found if any(f"{p}_{name}" in frame and frame[f"{p}_{name}"].notna().any() for p in PARTS)
    }
    return [*(n for n in LEADING if n in found), *sorted(found - set(LEADING))]


def columns(frame: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    """The columns of these metrics that are in the frame, by metric, then by part."""
    return [c for name in metrics for p in PARTS if (c := f"{p}_{name}") in frame]


def resolve(frame: pd.DataFrame, wanted: str | None) -> str | None:
    """The measure that is meant: `accuracy` is test_accuracy; None is the leading metric's, or None if nothing was measured.

    Raises UsageError for one that no run has.
    """
    metrics = measured(frame)
    if wanted is None:
        return next((c for name in metrics if (c := f"test_{name}") in frame), None)
    have = columns(frame, metrics)
    for name in (f"test_{wanted}", wanted):
        if name in have:
            return name
    raise UsageError(f"--metric {wanted}: no run here has that; {nearest(wanted, [*metrics, *have])}")


def base(measure: str) -> str:
    """`test_accuracy` -> `accuracy`."""
    return measure.partition("_")[2]


def spoken(measure: str) -> str:
    """`test_accuracy` -> `test accuracy`, `val_loss` -> `validation loss`."""
    part, _, name = measure.partition("_")
    return f"{'validation' if part == 'val' else part} {name.replace('_', ' ')}"


def direction(measure: str) -> int:
    """1 where higher is better, -1 where lower is, 0 where that is not known.

    A gap is better when smaller: lower for accuracies, higher for losses, whose gap is negative in overfitting.
    """
    name = base(measure)
    called = {name, name.rpartition("_")[2]}
    sign = bool(called & {*HIGHER}) - bool(called & {*LOWER})
    return -sign if measure.startswith("gap_") else sign


def in_percent(measure: str) -> bool:
    """Whether it is a fraction that people read in percent."""
    return base(measure).rpartition("_")[2] == "accuracy"


def level(measure: str) -> Write:
    """How a value is written: accuracies in percent, signed for gaps."""
    sign = "+" if measure.startswith("gap_") else ""
    if in_percent(measure):
        return lambda value: f"{100 * value:{sign}.1f}"
    return lambda value: _plain(value, sign, _digits(measure))


def difference(measure: str) -> Write:
    """How a difference is written: accuracies in points."""
    if in_percent(measure):
        return lambda value: f"{100 * value:+.2f}"
    return lambda value: _plain(value, "+", _digits(measure))


def unit(measure: str, *, of_difference: bool) -> str:
    """The second line of a heading."""
    if in_percent(measure):
        return "points" if of_difference or measure.startswith("gap_") else "%"
    return ""


def size(measure: str, value: float) -> str:
    """A width such as the region of equivalence, in the measure's unit: `0.2 points`, `0.0123`."""
    return f"{100 * value:.3g} points" if in_percent(measure) else f"{value:.3g}"


def _digits(measure: str) -> int:
    """After the point: epochs and updates are whole, and their means need one."""
    return 1 if measure.endswith(("_epochs", "_updates")) else 3


def _plain(value: float, sign: str, digits: int) -> str:
    return f"{value:{sign}.{digits}f}" if math.isfinite(value) and abs(value) < 100 else f"{value:{sign},.1f}"
