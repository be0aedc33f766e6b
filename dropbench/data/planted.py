"""A few informative features among others that are noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dropbench.data.base import Table
from dropbench.data.raw_draws import bit_generator, unit
from dropbench.errors import UsageError
from dropbench.spec import Positive

_ROWS = 4_000


def load(root: Path, download: bool, *, features: Positive = 50, informative: Positive = 2) -> Table:
    """Returns 4,000 rows of independent features, uniform in [-1, 1); the first few determine the class without error.

    The class is 1 if the product of the first `informative` features is above 0, else 0. Any of them without the others
    carries no information, so hiding one hides the class. Both classes are equally likely.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the rows are generated, always the same ones for a number of features.
    features : int
        The number of features of a row.
    informative : int
        The number of features that determine the class, from 1 to `features`: the class is the parity of their signs.

    Raises
    ------
    UsageError
        If `informative` is larger than `features`.
    """
    if informative > features:
        raise UsageError(
            f"data.informative={informative} with data.features={features}: set data.informative={features} or less"
        )
    x = 2 * unit(bit_generator(0, "planted").random_raw(_ROWS * features)).reshape(_ROWS, features) - 1
    above = (x[:, :informative] > 0).sum(1)
    y = (informative - above) % 2 == 0
    return Table(
        name="planted",
        x=torch.from_numpy(x.astype(np.float32)),
        y=torch.from_numpy(y.astype(np.int64)),
        axes="F",
        n_classes=2,
        source=f"made: {informative} of {features} features determine the class",
    )
