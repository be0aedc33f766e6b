"""Raw random draws, and the few kinds of numbers that data code computes from them.

Splits, label noise and augmentation take raw 64-bit draws from a run's streams and convert them to numbers here, by
arithmetic that no release of NumPy or torch can change. NumPy guarantees that `random_raw` is stable, but not the methods of
a Generator.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RawDraws = Callable[[int], NDArray[np.uint64]]
"""A function that returns the next n raw 64-bit draws of a stream."""


def bit_generator(seed: int, name: str) -> np.random.SFC64:
    """Returns the generator of a seed's stream `name`; streams are distinguished by the CRC-32 of their names."""
    return np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),)))


def unit(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Returns uniform numbers in [0, 1), multiples of 2**-53, in the shape of `raw`."""
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(raw: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    """Returns uniform integers in 0..n-1, in the shape of `raw`; the bias is below n * 2**-53."""
    return np.floor(unit(raw) * n).astype(np.int64)


def permutation(raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns a uniform permutation of 0..len(raw)-1 by a stable sort, so that it is unique even for equal draws."""
    return np.argsort(raw, kind="stable").astype(np.int64)
