"""The data as NumPy arrays, for the peers that train all runs at once; imports neither torch nor scikit-learn.

These peers are written as by an expert who cares about every second. Like dropbench, they avoid the second that importing
scikit-learn takes.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
Stacked = tuple[Floats, Labels]
"""Images [S, n, C, H, W] of one part for each of S seeds, normalised, and their classes [S, n]."""
_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


@cache
def read(data: str) -> tuple[NDArray[np.generic], Labels]:
    """Return all examples: images [n, C, H, W], of digits in float32, 0..1, of others in uint8, 0..255; and classes [n]."""
    if data == "digits":
        return _digits()
    # The files that torchvision stores are read directly, because importing torchvision takes seconds.
    folder = Path(os.environ["DROPBENCH_DATA"]) / _FOLDERS[data] / "raw"
    images = [np.fromfile(folder / f"{p}-images-idx3-ubyte", np.uint8)[16:] for p in ("train", "t10k")]
    labels = [np.fromfile(folder / f"{p}-labels-idx1-ubyte", np.uint8)[8:] for p in ("train", "t10k")]
    return np.concatenate(images).reshape(-1, 1, 28, 28), np.concatenate(labels).astype(np.int32)


def _digits() -> tuple[Floats, Labels]:
    """Read the file that scikit-learn bundles."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("scikit-learn, which bundles digits, is not installed")
    with gzip.open(Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz") as file:
        numbers = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return numbers[:, :-1].reshape(-1, 1, 8, 8) / 16, numbers[:, -1].astype(np.int32)


def parts(data: str, splits: Path, seeds: Sequence[int]) -> tuple[Stacked, Stacked, Stacked]:
    """Return training, validation and test examples of each seed, normalised with the mean and sd of its training examples."""
    x, y = read(data)
    taken: dict[str, list[tuple[Floats, Labels]]] = {name: [] for name in ("train", "val", "test")}
    with np.load(splits) as rows:
        for seed in seeds:
            train = x[rows[f"train_{seed}"]].astype(np.float32)
            mean, deviation = train.mean(dtype=np.float64), train.std(dtype=np.float64)
            for name, stack in taken.items():
                chosen = rows[f"{name}_{seed}"]
                stack.append((((x[chosen] - mean) / deviation).astype(np.float32), y[chosen]))
    train_part, val_part, test_part = (
        (np.stack([x for x, _ in stack]), np.stack([y for _, y in stack])) for stack in taken.values()
    )
    return train_part, val_part, test_part
