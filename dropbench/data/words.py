"""Random words and the few numbers that data needs from them.

Splits, label noise and augmentation take raw 64-bit words from a run's streams and turn them into numbers here, by
arithmetic that no release of NumPy or torch can change: NumPy keeps `random_raw` stable, not what a Generator makes
of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Words = Callable[[int], NDArray[np.uint64]]
"""Gives the next n raw 64-bit words of a stream."""


def unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), multiples of 2**-53, of the same shape as `words`."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(words: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    """Uniform whole numbers in 0..n-1, of the same shape as `words`; the bias is below n * 2**-53."""
    return np.floor(unit(words) * n).astype(np.int64)


def permutation(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A uniform permutation of 0..len(words)-1; stable, so that even equal words leave one answer."""
    return np.argsort(words, kind="stable").astype(np.int64)
