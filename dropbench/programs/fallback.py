"""Replaces a fifth of the predictions by exact values: those with the largest spread under dropout, or random ones."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from dropbench.programs.dense import Weights, passed, start, trained

FEATURES, N_TRAIN, N_TEST, HIDDEN, STEPS, RATE, PASSES, SHARE = 6, 300, 1000, 128, 1500, 0.1, 50, 0.2
"""SHARE is the share of the test examples that are computed exactly."""


def saved(seed: int) -> float:
    """Returns log(remaining error if the spread of passes chooses the exact examples / remaining error if chance does).

    Below 0 the spread is useful. Errors are root mean squared errors over all test examples; replaced ones have error 0.
    """
    (x, y), (x_test, y_test) = numbers(seed)
    weights = fitted(seed, x, y)
    masks = Generator().manual_seed(seed + 3 * 10**6)
    off = (passed(weights, x_test)[:, 0] - y_test).square()
    spread = torch.stack([passed(weights, x_test, RATE, masks)[:, 0] for _ in range(PASSES)]).std(0)
    return math.log(error_left(off, spread) / (off.mean() * (1 - SHARE)).sqrt().item())


def error_left(off: Tensor, uncertain: Tensor) -> float:
    """Returns the root mean squared error with the errors of the most uncertain fifth set to 0."""
    off = off.clone()
    off[uncertain.topk(round(SHARE * len(off))).indices] = 0
    return off.mean().sqrt().item()


def numbers(seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns x [n, 6] and y [n], a sum of sines without noise, for training and for a test with 1.5 times the deviation."""
    draw = Generator().manual_seed(seed)
    waves, phases = torch.randn(FEATURES, 8, generator=draw) * 0.5, torch.rand(8, generator=draw) * 2 * math.pi

    def of(n: int, sd: float) -> tuple[Tensor, Tensor]:
        x = sd * torch.randn(n, FEATURES, generator=draw)
        return x, (x @ waves + phases).sin().sum(1)

    return of(N_TRAIN, 1.0), of(N_TEST, 1.5)


def fitted(seed: int, x: Tensor, y: Tensor) -> Weights:
    """Fits a network 6-128-128-1 by squared error, with dropout in its hidden layers."""
    weights, masks = start(seed, FEATURES, HIDDEN, HIDDEN, 1), Generator().manual_seed(seed + 2 * 10**6)
    trained(
        weights,
        lambda rows: (passed(weights, x[rows], RATE, masks)[:, 0] - y[rows]).square().mean(),
        len(y),
        STEPS,
        seed,
    )
    return weights
