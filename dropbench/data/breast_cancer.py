"""Breast cancer, Wisconsin (diagnostic): a small table, two classes."""

from __future__ import annotations

from pathlib import Path

import torch

from dropbench.data._bundled import read
from dropbench.data.base import Table


def load(root: Path, download: bool) -> Table:
    """Returns 569 tumours with 30 features of their cell nuclei on raw scales up to 4,254; malignant (212) or benign (357).

    There is no official test split. The file comes with scikit-learn.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used.

    References
    ----------
    Street, Wolberg and Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993 (UCI).
    """
    x, y = read("breast_cancer.csv", header="skip", loader="load_breast_cancer")
    return Table(
        name="breast_cancer",
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        axes="F",
        n_classes=2,
        source="UCI Breast Cancer Wisconsin, diagnostic (Street et al. 1993), bundled with scikit-learn",
    )
