"""Finds the fastest library for the matrix products of a training step on this machine by a short timing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from dropbench.hardware import blas
from dropbench.nn.product import product

LAYERS = ((4, 784, 128), (4, 128, 128), (4, 128, 10), (1, 512, 512))
"""(replicas, inputs, outputs) of the dense layers whose products are timed: those of a stack of `mlp`, and a large one."""
_EXAMPLES = 64
_MARGIN = 1.15
"""How many times as fast as the default another choice must be; on a busy machine times differ by a tenth."""
_ROUNDS, _LEAST_ROUNDS = 7, 3
_BUDGET_S = 0.2
Times = Mapping[str, Sequence[float]]
"""The seconds of each layer, by choice of products."""


def fastest() -> str:
    """Returns the choice of products (`hardware.blas.PRODUCTS`) for this machine: the default, or a clearly faster one.

    The timing runs on one thread and takes about a fifth of a second at most, unless three rounds take longer. The choice of
    this process does not change.
    """
    tried = blas.available()
    if blas.amd_with_avx512():  # there torch's own products use oneDNN for large matrices anyway
        tried = [name for name in tried if name != blas.ONEDNN]
    default = blas.default()
    return default if len(tried) < 2 else better(default, timed(tried))


def better(default: str, times: Times) -> str:
    """Returns the default, unless another choice is clearly faster in the geometric mean over layers."""
    gains = {
        name: math.exp(sum(math.log(a / b) for a, b in zip(times[default], own, strict=True)) / len(own))
        for name, own in times.items()
    }
    best = max(gains, key=lambda name: gains[name])
    return best if gains[best] > _MARGIN else default


def timed(choices: Sequence[str]) -> dict[str, list[float]]:
    """Returns, by choice, the seconds of the three products of each layer's step: the minimum over several rounds."""
    before = blas.chosen()
    least = {name: [math.inf] * len(LAYERS) for name in choices}
    until = time.perf_counter() + _BUDGET_S
    try:
        with blas.one_thread():
            calls = [step(*layer) for layer in LAYERS]
            for turn in range(_ROUNDS):
                if turn >= _LEAST_ROUNDS and time.perf_counter() > until:
                    break
                for name in choices:
                    blas.choose(name)
                    least[name] = [min(known, _seconds(call)) for known, call in zip(least[name], calls, strict=True)]
    finally:
        blas.choose(before)
    return least


def step(replicas: int, inputs: int, outputs: int) -> Callable[[], None]:
    """Returns a function that computes the products of a dense layer's step: forward, and the gradients of weight and input."""
    generator = torch.Generator().manual_seed(0)
    random = partial(torch.randn, generator=generator)
    x, weight = random(replicas, _EXAMPLES, inputs), random(replicas, inputs, outputs)
    gradient = random(replicas, _EXAMPLES, outputs)

    def products() -> None:
        product(x, weight)
        product(x.mT, gradient)
        product(gradient, weight.mT)

    return products


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
