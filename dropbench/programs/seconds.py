"""The time of training steps and predictions with and without dropout, measured side by side in one thread.

The networks are ordinary torch modules, so the times are those of dropout and not of dropbench. Each number is the log of a
ratio of medians over alternating rounds, so that other load on the machine affects both equally. Unlike all other programs
these do not return the same number twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

INPUTS, UNITS, CLASSES, BATCH, RATE = 784, 512, 10, 64, 0.5
BLOCKS, BRANCH_RATE = 6, 0.3
ROUNDS, STEPS = 24, 4


def training_step(seed: int) -> float:
    """Returns log(time of an update with dropout / without), for 784-512-512-10 with rate 0.5 after each hidden layer."""
    with _alone(seed):
        return _log_ratio(_update(_dense(RATE)), _update(_dense(0.0)))


def answer(seed: int) -> float:
    """Returns log(time of a forward pass with dropout / without), for 64 examples in evaluation mode."""
    with _alone(seed), torch.no_grad():
        return _log_ratio(_answer(_dense(RATE).eval()), _answer(_dense(0.0).eval()))


def stochastic_depth_step(seed: int) -> float:
    """Returns log(time of an update with stochastic depth / without): branches are dropped for whole batches at rate 0.3.

    The network has 6 residual blocks, whose branches have two layers of 512 units.
    """
    with _alone(seed):
        return _log_ratio(_update(_Residual(BRANCH_RATE)), _update(_Residual(0.0)))


class _Residual(nn.Module):
    """Blocks x + f(x); in training, f is left out for a whole batch with probability `rate`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.first, self.last = nn.Linear(INPUTS, UNITS), nn.Linear(UNITS, CLASSES)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS)) for _ in range(BLOCKS)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        left_out = (torch.rand(BLOCKS) < self.rate).tolist()
        for branch, out in zip(self.branches, left_out, strict=True):
            if not out:
                x = x + branch(x) / (1 - self.rate)
        y: Tensor = self.last(x)
        return y


def _dense(rate: float) -> nn.Module:
    """Returns the network; without dropout it has no dropout layers at all, instead of layers with rate 0."""
    layers: list[nn.Module] = []
    for inputs in (INPUTS, UNITS):
        layers += [nn.Linear(inputs, UNITS), nn.ReLU(), *([nn.Dropout(rate)] if rate else [])]
    return nn.Sequential(*layers, nn.Linear(UNITS, CLASSES))


def _update(model: nn.Module) -> Callable[[], object]:
    """Returns a function that does a step of Adam on one batch."""
    x, y = torch.rand(BATCH, INPUTS), torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def update() -> None:
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()

    return update


def _answer(model: nn.Module) -> Callable[[], object]:
    x = torch.rand(BATCH, INPUTS)
    return lambda: model(x)


def _log_ratio(act: Callable[[], object], other: Callable[[], object]) -> float:
    """Returns log(median seconds of `act` / median seconds of `other`); the order alternates between rounds."""
    seconds: dict[Callable[[], object], list[float]] = {act: [], other: []}
    for round_ in range(-2, ROUNDS):  # two warm-up rounds
        for one in (act, other) if round_ % 2 else (other, act):
            began = time.perf_counter()
            for _ in range(STEPS):
                one()
            if round_ >= 0:
                seconds[one].append(time.perf_counter() - began)
    return math.log(median(seconds[act]) / median(seconds[other]))


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Context manager with one thread and torch seeded; it restores the process's own random state."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
