"""Scales numbers robustly and clips them smoothly, as in RealMLP. skrub has it too, but is larger than dropbench itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

_BOUND = 3.0


class Squash(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Computes z / sqrt(1 + (z / 3)²) with z = (x - median) / (interquartile range), column by column.

    If the quartiles are equal, z is twice the distance from the median divided by the whole range; for a constant column it
    is 0.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024
    (arXiv:2407.04491), section 3.
    """

    def fit(self, x: NDArray[np.float64], y: Any = None) -> Squash:
        """Learns median and scale of x [n, columns], which must have no missing numbers."""
        low, first, self.center_, third, high = np.quantile(x, (0, 0.25, 0.5, 0.75, 1), axis=0)
        quartiles, whole = third - first, (high - low) / 2
        spread = np.where(quartiles > 0, quartiles, whole)
        self.scale_ = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        return self

    def transform(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns x scaled and clipped."""
        z = (x - self.center_) * self.scale_
        squashed: NDArray[np.float64] = z / np.sqrt(1 + np.square(z / _BOUND))
        return squashed
