"""Numbers scaled robustly and clipped smoothly, as in RealMLP; skrub has it too, with more to install than dropbench itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

_BOUND = 3.0


class Squash(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """z / sqrt(1 + (z / 3)²) of z = (x - median) / (interquartile range), column by column.

    Where the quartiles are equal, z is twice the distance from the median over the whole range; and 0 for a column of one
    value.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024
    (arXiv:2407.04491), section 3.
    """

    def fit(self, x: NDArray[np.float64], y: Any = None) -> Squash:
        """Learns median and scale of x [n, columns], which has no missing numbers."""
        low, first, self.center_, third, high = np.quantile(x, (0, 0.25, 0.5, 0.75, 1), axis=0)
        quartiles, whole = third - first, (high - low) / 2
        spread = np.where(quartiles > 0, quartiles, whole)
        self.scale_ = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        return self

    def transform(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled and clipped."""
        z = (x - self.center_) * self.scale_
        squashed: NDArray[np.float64] = z / np.sqrt(1 + np.square(z / _BOUND))
        return squashed
