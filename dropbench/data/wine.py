"""Wine recognition: the smallest table, three classes; good for checks and too small for conclusions."""

from __future__ import annotations

from pathlib import Path

import torch

from dropbench.data._bundled import read
from dropbench.data.base import Table


def load(root: Path, download: bool) -> Table:
    """Returns 178 wines with 13 chemical features on raw scales from 0.1 to 1,680, from 3 growers (59, 71, 48).

    There is no official test split. The file comes with scikit-learn.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used.

    References
    ----------
    Forina et al., PARVUS, 1991 (UCI Wine).
    """
    x, y = read("wine_data.csv", header="skip", loader="load_wine")
    return Table(
        name="wine",
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        axes="F",
        n_classes=3,
        source="UCI Wine (Forina et al. 1991), bundled with scikit-learn",
    )
