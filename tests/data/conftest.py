"""Shared by the tests of data: streams of raw draws, and the folder of the large real data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dropbench.data.base import Table
from dropbench.data.raw_draws import RawDraws


@pytest.fixture(scope="session")
def raw() -> Callable[[int], RawDraws]:
    """A function raw(seed) that returns a new stream of raw draws, made like those of a run."""

    def stream(seed: int) -> RawDraws:
        raw = np.random.SFC64(seed)

        def take(n: int) -> NDArray[np.uint64]:
            return raw.random_raw(n)

        return take

    return stream


@pytest.fixture(scope="session")
def table() -> Callable[..., Table]:
    """A function: table([5, 3]) has 5 examples of class 0, then 3 of class 1; each example's value is its row number."""

    def make(counts: list[int], test: list[int] | None = None) -> Table:
        y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        rows = None if test is None else torch.tensor(test)
        return Table("toy", torch.arange(len(y), dtype=torch.float32)[:, None], y, "F", len(counts), rows)

    return make


def root_with(names: str, *files: str) -> Path:
    """Return the folder of real data if it has these files; skip the test otherwise."""
    root = Path(os.environ.get("DROPBENCH_DATA", ""))
    if "DROPBENCH_DATA" not in os.environ or not all((root / file).is_file() for file in files):
        pytest.skip(f"set DROPBENCH_DATA to a folder with {names}")
    return root


@pytest.fixture(scope="session")
def data_root() -> Path:
    """A torchvision root with real MNIST, FashionMNIST and CIFAR-10; never written to."""
    return root_with(
        "MNIST, FashionMNIST and CIFAR-10, unpacked for torchvision",
        "MNIST/raw/t10k-labels-idx1-ubyte",
        "FashionMNIST/raw/t10k-labels-idx1-ubyte",
        "cifar-10-batches-py/test_batch",
    )


@pytest.fixture(scope="session")
def real_root() -> Path:
    """A root with the real ptb, mr and cora; never written to."""
    files = ("ptb/ptb.train.txt", "mr/rt-polarity.pos", "cora/cora.npz", "cora/ind.cora.graph")
    return root_with("ptb, mr and cora", *files)
