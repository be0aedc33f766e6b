"""The types of numbers that statistics are computed from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.measures import Measure

Floats = NDArray[np.float64]

Scores = Mapping[int, float]
"""What one arm scored on one measure, by seed; NaN where a run has no such score."""

Diverged = Callable[[str], Collection[int]]
"""From an arm's label to the seeds of which it has no score because its run diverged."""

ScoresOf = Callable[[str, Measure], Scores]
"""From an arm's label and a measure to its scores; empty where it has none."""
