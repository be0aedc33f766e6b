"""Groups of features that are almost the same, among others that are noise: a linear regression."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from dropbench.data.base import Table
from dropbench.data.raw_draws import bit_generator, unit
from dropbench.errors import UsageError
from dropbench.spec import Positive

_ROWS = 5_000


def load(
    root: Path,
    download: bool,
    *,
    features: Positive = 40,
    groups: Positive = 3,
    size: Positive = 5,
    correlation: Annotated[float, Field(ge=0, le=1)] = 0.99,
    noise: Annotated[float, Field(ge=0)] = 15.0,
) -> Table:
    """Returns 5,000 rows whose target is three times the sum of all features in groups, plus noise.

    The features of a group come first, one group after the other; two features of a group have this correlation, and any
    other two none. All features have mean 0 and variance 1. Features and noise are sums of uniform numbers, where Zou and
    Hastie have normal ones: such sums are the same to the last bit on every machine.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the rows are generated, always the same ones for the same options.
    features : int
        The number of features of a row, in groups or not.
    groups, size : int
        The number of groups, and of features in each.
    correlation : float
        From 0 (independent features) to 1 (copies of one feature).
    noise : float
        The standard deviation of the noise in the target, at least 0.

    Raises
    ------
    UsageError
        If there are fewer features than the groups have.

    References
    ----------
    Zou and Hastie, "Regularization and variable selection via the elastic net", 2005, section 5, example 4.
    """
    grouped = groups * size
    if grouped > features:
        raise UsageError(
            f"data.groups={groups} of data.size={size} are {grouped} features; write data.features={grouped} or more"
        )
    draw = bit_generator(0, "correlated").random_raw
    shared = np.repeat(_standard(draw(2 * _ROWS * groups), groups), size, axis=1)
    x = _standard(draw(2 * _ROWS * features), features)
    x[:, :grouped] = correlation**0.5 * shared + (1 - correlation) ** 0.5 * x[:, :grouped]
    y = noise * _standard(draw(2 * _ROWS), 1)[:, 0]
    for feature in range(grouped):  # one after the other: how a sum is rounded must not depend on the machine
        y += 3 * x[:, feature]
    return Table(
        name="correlated",
        x=torch.from_numpy(x.astype(np.float32)),
        y=torch.from_numpy(y.astype(np.float32)),
        axes="F",
        n_classes=1,
        task="regress",
        source=f"made: {groups} groups of {size} of {features} features determine the target (Zou and Hastie 2005)",
    )


def _standard(raw: NDArray[np.uint64], columns: int) -> NDArray[np.float64]:
    """Returns numbers [5000, columns] of mean 0 and variance 1: sums of two uniform ones."""
    first, second = unit(raw).reshape(2, _ROWS, columns)
    return np.asarray((first + second - 1) * 6**0.5)
