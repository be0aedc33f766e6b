"""MNIST-1D: ten shapes as short signals, small and hard, made for questions such as whether a regularizer helps."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from dropbench.data.base import Table
from dropbench.errors import UsageError


def load(root: Path, download: bool) -> Table:
    """4,000 training and 1,000 test signals of 40 numbers, 10 classes, made by the package `mnist1d` from its seed 42.

    Nothing is downloaded: the set is made anew, in seconds. The file that the authors publish was made in the same way by the
    libraries of its day.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used.

    Raises
    ------
    UsageError
        Where the package is not installed.

    References
    ----------
    Greydanus and Kobak, "Scaling Down Deep Learning with MNIST-1D", 2020, ICML 2024 (arXiv:2011.14439).
    """
    try:
        made = importlib.import_module("mnist1d.data")
    except ImportError as error:
        raise UsageError("data=mnist1d needs the package mnist1d: pip install 'dropbench[mnist1d]'") from error
    with _own_generators():
        parts = made.make_dataset()
    x = np.concatenate([parts["x"], parts["x_test"]]).astype(np.float32)
    y = np.concatenate([parts["y"], parts["y_test"]]).astype(np.int64)
    return Table(
        name="mnist1d",
        x=torch.from_numpy(x)[:, :, None],
        y=torch.from_numpy(y),
        axes="TF",
        n_classes=10,
        test=torch.arange(len(parts["x"]), len(x)),
        source="MNIST-1D (Greydanus and Kobak 2020), made by the package mnist1d",
    )


@contextmanager
def _own_generators() -> Iterator[None]:
    """The package seeds the global generators, which are put back."""
    drawn, of_python = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(drawn)
        random.setstate(of_python)
