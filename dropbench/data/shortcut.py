"""Handwritten digits with a tag that nearly tells the class, as long as the data are those of training."""

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
    """The 1,797 digits as 64 features, and ten more of which one is 1: a tag that is the class with probability `agreement`.

    Otherwise the tag is drawn uniformly from all ten classes, and so are the tags of all test rows: what a network reads off
    the tag helps in training and validation and is worth nothing in the test, whose 360
    rows are the same for all seeds.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the digits come with scikit-learn, and tags are drawn, always the same ones.
    agreement : float
        From 0, where tags tell nothing, to 1, where they are the class.

    References
    ----------
    Alpaydin and Kaynak, UCI Machine Learning Repository, 1998; of shortcuts, Geirhos et al., "Shortcut learning in deep neural
    networks", 2020 (arXiv:2004.07780).
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
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), with tags that are made",
    )
