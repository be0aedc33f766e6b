"""Test digits with missing pixels: compares input dropout with imputation and with indicators of missing pixels."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from dropbench.programs.dense import Weights, dropped, passed, start, trained
from dropbench.programs.network import CLASSES, split

N_TRAIN, HIDDEN, STEPS, MISSING = 1200, 128, 1500, 0.5
"""MISSING: the share of the pixels that are missing, and the rate of the input dropout."""


def imputation(seed: int) -> float:
    """Returns the test accuracy with imputation of missing pixels minus that with input dropout.

    Pixels are missing completely at random. With input dropout, a missing pixel is replaced by its mean; the network with
    imputation has no dropout.
    """
    (x, y), (x_test, y_test) = _parted(seed)
    there = missing_by_chance(x_test, seed)
    plain = fitted(seed, x, y)
    filled = imputed(x_test, there, x.mean(0), covariance(x))
    return _accuracy(plain, filled, y_test) - _of_dropout(seed, there)


def indicators(seed: int) -> float:
    """Returns the test accuracy with indicators of missing pixels minus that with input dropout.

    Brighter pixels are missing more often. The network with indicators is trained on digits with pixels missing in the same
    way, and the one with input dropout on complete digits.
    """
    (x, y), (x_test, y_test) = _parted(seed)
    there, there_test = missing_by_value(x, seed), missing_by_value(x_test, seed + 1)
    told = torch.cat([_filled(x, there, x.mean(0)), there.float()], 1)
    tested = torch.cat([_filled(x_test, there_test, x.mean(0)), there_test.float()], 1)
    return _accuracy(fitted(seed, told, y), tested, y_test) - _of_dropout(seed, there_test)


def fitted(seed: int, x: Tensor, y: Tensor, rate: float = 0.0) -> Weights:
    """Fits a network with two hidden layers, with dropout of its inputs at this rate."""
    weights, masks = start(seed, x.shape[1], HIDDEN, HIDDEN, CLASSES), Generator().manual_seed(seed + 2 * 10**6)

    def loss(rows: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(passed(weights, dropped(x[rows], rate, masks)), y[rows])

    trained(weights, loss, len(y), STEPS, seed)
    return weights


def missing_by_chance(x: Tensor, seed: int) -> Tensor:
    """Returns which pixels are present, bool [n, 64], if they are missing completely at random."""
    return torch.rand(x.shape, generator=Generator().manual_seed(seed + 4 * 10**6)) >= MISSING


def missing_by_value(x: Tensor, seed: int) -> Tensor:
    """Returns which pixels are present, bool [n, 64], if P(missing) grows with brightness, from 0 to 2 * MISSING."""
    return torch.rand(x.shape, generator=Generator().manual_seed(seed + 5 * 10**6)) >= 2 * MISSING * x


def covariance(x: Tensor) -> Tensor:
    """Returns the covariance of the features [64, 64], with a small constant on the diagonal."""
    return torch.cov(x.T) + 1e-2 * torch.eye(x.shape[1])


def imputed(x: Tensor, there: Tensor, mean: Tensor, cov: Tensor) -> Tensor:
    """Replaces each missing value by its expectation given the present values of its row, under a normal distribution."""
    filled = x.clone()
    for row, known in zip(filled, there, strict=True):
        gone = ~known
        slope = torch.linalg.solve(cov[known][:, known], cov[known][:, gone])
        row[gone] = mean[gone] + (row[known] - mean[known]) @ slope
    return filled


def _of_dropout(seed: int, there: Tensor) -> float:
    (x, y), (x_test, y_test) = _parted(seed)
    mean = x.mean(0)
    network = fitted(seed, x - mean, y, rate=MISSING)
    return _accuracy(network, _filled(x_test, there, mean) - mean, y_test)


def _parted(seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    (x, y), test = split(seed)
    return (x[:N_TRAIN], y[:N_TRAIN]), test


def _filled(x: Tensor, there: Tensor, mean: Tensor) -> Tensor:
    return torch.where(there, x, mean)


def _accuracy(network: Weights, x: Tensor, y: Tensor) -> float:
    return (passed(network, x).argmax(1) == y).double().mean().item()
