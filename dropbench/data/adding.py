"""The adding problem: remember and add two numbers that are far apart in a long sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dropbench.data.base import Table
from dropbench.data.raw_draws import below, bit_generator, unit
from dropbench.errors import UsageError
from dropbench.spec import Positive

_ROWS = 5_000


def load(root: Path, download: bool, *, length: Positive = 50) -> Table:
    """Returns 5,000 sequences of `length` steps with two numbers each: a value, uniform in [0, 1), and a mark of 0 or 1.

    Two steps are marked, one in each half of the sequence, and the target is the sum of their two values. Always predicting
    1, which needs no memory, has a mean squared error of 1/6. Uniform values and marks of 0 and 1 are as in Le et al.; the
    original has values in [-1, 1], other marks and varying lengths.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the sequences are generated, always the same ones for a length.
    length : int
        Steps of a sequence, at least 2.

    Raises
    ------
    UsageError
        If `length` is below 2.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997, section 5.4; Le, Jaitly and Hinton, "A simple way to initialize
    recurrent networks of rectified linear units", 2015 (arXiv:1504.00941), section 4.1.
    """
    if length < 2:
        raise UsageError(f"data.length={length}: a sequence needs two steps to add; write data.length=2 or more")
    drawn = bit_generator(0, "adding").random_raw
    values = unit(drawn(_ROWS * length)).reshape(_ROWS, length)
    half, rows = length // 2, np.arange(_ROWS)
    first, second = below(drawn(_ROWS), half), half + below(drawn(_ROWS), length - half)
    marks = np.zeros_like(values)
    marks[rows, first] = marks[rows, second] = 1
    return Table(
        name="adding",
        x=torch.from_numpy(np.stack([values, marks], axis=2).astype(np.float32)),
        y=torch.from_numpy((values[rows, first] + values[rows, second]).astype(np.float32)),
        axes="TF",
        n_classes=1,
        task="regress",
        source=f"made: the adding problem over {length} steps (Hochreiter and Schmidhuber 1997; Le et al. 2015)",
    )
