"""Handwritten digits with a tag that nearly reveals the class in the training data, but not in the test data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from dropbench.data._bundled import read
from dropbench.data.base import Table
from dropbench.data.raw_draws import below, bit_generator, permutation, unit

_CLASSES, _TEST = 10, 360


def load(root: Path, download: bool, *, agreement: Annotated[float, Field(ge=0, le=1)] = 0.95) -> Table:
    """Returns the 1,797 digits as 64 features plus a one-hot tag of ten, which is the class with probability `agreement`.

    Otherwise the tag is drawn uniformly from all ten classes, and so are the tags of all test rows. So the tag helps in
    training and validation and is worthless in the test split, whose 360 rows are the same for all seeds.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the digits come with scikit-learn, and the tags are generated, always the same ones.
    agreement : float
        From 0 (tags carry no information) to 1 (tags are the class).

    References
    ----------
    Alpaydin and Kaynak, UCI Machine Learning Repository, 1998; on shortcuts, Geirhos et al., "Shortcut learning in deep
    neural networks", 2020 (arXiv:2004.07780).
    """
    pixels, y = read("digits.csv.gz", header="none", loader="load_digits")
    drawn = bit_generator(0, "shortcut").random_raw
    test = np.sort(permutation(drawn(len(y)))[:_TEST])
    told = unit(drawn(len(y))) < agreement
    told[test] = False
    tag = np.where(told, y, below(drawn(len(y)), _CLASSES))
    return Table(
        name="shortcut",
        x=torch.from_numpy(np.hstack([pixels / 16, np.eye(_CLASSES)[tag]]).astype(np.float32)),
        y=torch.from_numpy(y),
        axes="F",
        n_classes=_CLASSES,
        test=torch.from_numpy(test),
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), with artificial tags",
    )
