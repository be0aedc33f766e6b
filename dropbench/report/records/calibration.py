"""Computes calibration from the bins that `metric=reliability` stores in the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dropbench.report.records.scores import Floats

PARTS = ("examples", "confidence", "right")
_ROUNDING = 1e-6


def bins(arrays: Sequence[Mapping[str, Sequence[float]]]) -> Floats:
    """Returns the bins of each run that has them: number of examples, sum of confidences, number right; [runs, 3, bins].

    arrays: the `arrays` of the records. A run is left out if its bins are invalid (of unequal length, not finite, negative, or
    more right than examples) or if their number differs from that of the first valid run.
    """
    sound = [of_run for each in arrays if (of_run := _of(each)) is not None]
    alike = [of_run for of_run in sound if of_run.shape == sound[0].shape]
    return np.array(alike) if alike else np.empty((0, len(PARTS), 0))


def ece(stored: Floats) -> Floats:
    """Returns the expected calibration error of each run, [runs]. It equals the metric `ece` with as many bins, bit for bit."""
    examples, confidence, right = stored[:, 0], stored[:, 1], stored[:, 2]
    error: Floats = abs(confidence - right).sum(1) / examples.sum(1)
    return error


def _of(arrays: Mapping[str, Any]) -> Floats | None:

    rows = [arrays.get(f"test_reliability_{part}", ()) for part in PARTS]
    if not rows[0] or len({len(row) for row in rows}) > 1:
        return None
    stored = np.array(rows, dtype=float)
    examples, *sums = stored
    sound = np.isfinite(stored).all() and (stored >= 0).all() and examples.sum() > 0
    return stored if sound and all((part <= examples + _ROUNDING).all() for part in sums) else None
