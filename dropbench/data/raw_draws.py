"""Raw random draws and the few numbers that data needs from them.

Splits, label noise and augmentation take raw 64-bit draws from a run's streams and turn them into numbers here, by
arithmetic that no release of NumPy or torch can change: NumPy keeps `random_raw` stable, not what a Generator makes
of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RawDraws = Callable[[int], NDArray[np.uint64]]
"""Gives the next n raw 64-bit draws of a stream."""


def bit_generator(seed: int, name: str) -> np.random.SFC64:
    """The generator of one stream of one seed. Names are told apart by their CRC-32."""
    return np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),)))


def unit(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), multiples of 2**-53, of the same shape as `raw`."""
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(raw: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    """Uniform whole numbers in 0..n-1, of the same shape as `raw`; the bias is below n * 2**-53."""
    return np.floor(unit(raw) * n).astype(np.int64)


def permutation(raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A uniform permutation of 0..len(raw)-1; stable, so that even equal draws leave one answer."""
    return np.argsort(raw, kind="stable").astype(np.int64)
