"""Reads the tables that come with scikit-learn from its files, because importing it takes longer than a small run."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dropbench.data.numbers import read_numbers
from dropbench.errors import UsageError


def read(csv: str, header: Literal["skip", "none"], loader: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns features [N, F] and labels [N] of a bundled file whose last column is the label.

    Parameters
    ----------
    csv : str
        Name of the file in scikit-learn's folder `datasets/data`.
    header : {"skip", "none"}
        Whether there is a line before the first example.
    loader : str
        Function in `sklearn.datasets` that returns the same, slowly; used if scikit-learn has its files elsewhere.

    Raises
    ------
    UsageError
        If scikit-learn is not installed or its file is damaged.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise UsageError("this data set comes with scikit-learn, which is not installed: pip install scikit-learn")
    file = Path(spec.origin).parent / "datasets" / "data" / csv
    if file.is_file():
        rows = read_numbers(file, header=header).values
        features, labels = rows[:, :-1], rows[:, -1]
    else:
        features, labels = getattr(importlib.import_module("sklearn.datasets"), loader)(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64)
