"""Types of the numbers from which statistics are computed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.measures import Measure

Floats = NDArray[np.float64]

Scores = Mapping[int, float]
"""The scores of one arm on one measure, by seed; NaN for a run without this score."""

Diverged = Callable[[str], Collection[int]]
"""A function of an arm's label that returns the seeds without a score because the run diverged."""

ScoresOf = Callable[[str, Measure], Scores]
"""A function of an arm's label and a measure that returns the arm's scores; empty if it has none."""
