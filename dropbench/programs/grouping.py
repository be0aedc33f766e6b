"""Linear regression on groups of almost equal features: how evenly dropout shares their weight, compared with L1."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from dropbench.data import correlated
from dropbench.programs.dense import dropped, passed, start, trained

N_TRAIN, RATE, STEPS, LR, GROUPS, SIZE = 100, 0.5, 3000, 0.01, 3, 5
"""RATE is that of the dropout of inputs, LR that of Adam; the data have so many GROUPS of SIZE features each."""


def beside_l1(seed: int) -> float:
    """Returns how much more unevenly dropout shares the weight of a group's features than L1 does; see `unevenness`.

    L1 and the elastic net have penalties that are chosen by cross-validation, on the same 100 rows.
    """
    from sklearn.linear_model import LassoCV

    return unevenness(dropout(seed)) - unevenness(_penalised(LassoCV(cv=5, random_state=0), seed))


def beside_elastic_net(seed: int) -> float:
    """Returns the same beside an elastic net whose penalty is half L1 and half L2 (Zou and Hastie 2005)."""
    from sklearn.linear_model import ElasticNetCV

    return unevenness(dropout(seed)) - unevenness(_penalised(ElasticNetCV(l1_ratio=0.5, cv=5, random_state=0), seed))


def unevenness(weights: Tensor) -> float:
    """Returns the spread of the weights of a group over their mean absolute value, as the mean over the groups.

    0 if the features of each group have equal weights; 2 if one of five has all of it.
    """
    of_groups = weights[: GROUPS * SIZE].view(GROUPS, SIZE)
    mean = of_groups.abs().mean(1)
    return torch.where(mean > 0, of_groups.std(1, correction=0) / mean, 0.0).mean().item()


def dropout(seed: int) -> Tensor:
    """Returns the weights of a linear model that was trained with inverted dropout of its inputs."""
    x, y = rows(seed)
    weights, masks = start(seed, x.shape[1], 1), Generator().manual_seed(seed + 2 * 10**6)

    def loss(batch: Tensor) -> Tensor:
        return (passed(weights, dropped(x[batch], RATE, masks))[:, 0] - y[batch]).square().mean()

    trained(weights, loss, len(y), STEPS, seed, LR)
    return weights[0][:, 0]


def rows(seed: int) -> tuple[Tensor, Tensor]:
    """Returns 100 rows x [100, 40] and targets y [100], both standardised."""
    table = correlated.load(Path(), False, groups=GROUPS, size=SIZE)
    chosen = torch.randperm(len(table.y), generator=Generator().manual_seed(seed))[:N_TRAIN]
    x, y = table.x[chosen], table.y[chosen]
    return (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()


def _penalised(model: Any, seed: int) -> Tensor:
    from sklearn.exceptions import ConvergenceWarning

    x, y = rows(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the smallest penalties on the path
        return torch.from_numpy(model.fit(x.double().numpy(), y.double().numpy()).coef_)
