"""Optical recognition of handwritten digits: the default, because it needs no download and trains in seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from dropbench.data._bundled import read
from dropbench.data.base import Table


def load(root: Path, download: bool) -> Table:
    """Returns 1,797 grey images of 8x8 pixels with 17 grey levels and 10 classes; there is no official test split.

    They are the test split of the original data, as bundled with scikit-learn.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used.

    References
    ----------
    Alpaydin and Kaynak, UCI Machine Learning Repository, 1998.
    """
    x, y = read("digits.csv.gz", header="none", loader="load_digits")
    return Table(
        name="digits",
        x=torch.from_numpy(x / 16).reshape(-1, 1, 8, 8),
        y=torch.from_numpy(y),
        axes="CHW",
        n_classes=10,
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), bundled with scikit-learn",
    )
