"""Autoencoders of digits with dropout of hidden units or of inputs: how well they reconstruct and encode digits."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator, Tensor

from dropbench.programs.dense import Weights, dropped, passed, start, trained
from dropbench.programs.network import CLASSES, split

N_TRAIN, LABELLED, HIDDEN, CODE, STEPS = 500, 100, 128, 32, 2000
RATE, MISSING = 0.3, 0.3
"""The rate of dropout in hidden layers, and the share of pixels that are set to 0 in corrupted inputs."""


def repaired(seed: int) -> float:
    """Returns log(error of a denoising / of a plain autoencoder) on test digits with missing pixels; below 0 denoising wins.

    Vincent et al. 2008 (ICML): the denoising autoencoder is trained to reconstruct the whole digit from one with missing
    pixels.
    """
    _, (x, _) = split(seed)
    corrupted = _with_missing(x, Generator().manual_seed(seed + 4 * 10**6))

    def error(weights: Weights) -> float:
        return (passed(weights, corrupted) - x).square().mean().item()

    return math.log(error(fitted(seed, missing=MISSING)) / error(fitted(seed)))


def code_with_denoising(seed: int) -> float:
    """Returns how much more accurate a linear classifier is on the code of a denoising autoencoder than of a plain one."""
    return probe(seed, fitted(seed, missing=MISSING)) - probe(seed, fitted(seed))


def code_with_dropout(seed: int) -> float:
    """Returns how much more accurate that classifier is on the code with dropout in all hidden layers than on a plain code."""
    return probe(seed, fitted(seed, rate=RATE)) - probe(seed, fitted(seed))


@cache
def fitted(seed: int, rate: float = 0.0, missing: float = 0.0) -> Weights:
    """Fits an autoencoder 64-128-32-128-64 to 500 digits by squared error; cached, since three programs use it."""
    (x, _), _ = split(seed)
    x = x[:N_TRAIN]
    weights, draw = start(seed, x.shape[1], HIDDEN, CODE, HIDDEN, x.shape[1]), Generator().manual_seed(seed + 2 * 10**6)

    def loss(rows: Tensor) -> Tensor:
        given = _with_missing(x[rows], draw, missing) if missing else x[rows]
        return (passed(weights, given, rate, draw) - x[rows]).square().mean()

    trained(weights, loss, N_TRAIN, STEPS, seed)
    return weights


def probe(seed: int, weights: Weights) -> float:
    """Returns the test accuracy of ridge regression of the one-hot classes on the code, fitted to 100 labelled digits.

    Codes are standardized with the mean and deviation of these 100 digits. The ridge penalty is their number / 100.
    """
    (x, y), (x_test, y_test) = split(seed)
    code, tested = _code(weights, x[:LABELLED]).double(), _code(weights, x_test).double()
    mean, sd = code.mean(0), code.std(0).clamp(min=1e-6)
    ones = torch.ones(len(y_test), 1, dtype=torch.float64)
    code, tested = torch.cat([(code - mean) / sd, ones[:LABELLED]], 1), torch.cat([(tested - mean) / sd, ones], 1)
    told = torch.nn.functional.one_hot(y[:LABELLED], CLASSES).double()
    fit = torch.linalg.solve(
        code.T @ code + LABELLED / 100 * torch.eye(code.shape[1], dtype=torch.float64), code.T @ told
    )
    right: Tensor = (tested @ fit).argmax(1) == y_test
    return right.double().mean().item()


def _code(weights: Weights, x: Tensor) -> Tensor:
    return passed(weights[:4], x).relu()


def _with_missing(x: Tensor, draw: Generator, share: float = MISSING) -> Tensor:
    """Sets a share of the pixels to 0 and scales nothing."""
    return dropped(x, share, draw) * (1 - share)
