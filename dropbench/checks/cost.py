"""The cost of dropout, counted in floating point operations instead of timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dropbench.checks.masks import noise
from dropbench.dropout.standard import Standard
from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.sites import Site
from dropbench.store import Case

WIDTH, BATCH = 64, 32


class _Branch(nn.Module):
    """A residual branch with one matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, WIDTH, WIDTH))

    def forward(self, x: Tensor, noise: object) -> Tensor:
        return x @ self.weight


def inference() -> Iterator[Case]:
    """Yields operations with dropout / operations without, in evaluation, and for the matrix products of a training step."""
    layer = noise(Standard(), Site("x", "activation", (WIDTH,), "F"), 0.5, BATCH)
    x, w = torch.ones(1, BATCH, WIDTH), torch.ones(1, WIDTH, WIDTH)
    layer.training = False
    plain, dropped = _flops(lambda: x @ w), _flops(lambda: layer("x", x) @ w)
    yield Case(case="evaluation", measured=dropped / plain, formula=1.0, within=0.0)
    layer.training = True
    yield Case(
        case="products of a training step", measured=_flops(lambda: layer("x", x) @ w) / plain, formula=1.0, within=0.0
    )


def stochastic_depth() -> Iterator[Case]:
    """Yields the share of a branch's operations that training executes, if it is dropped per batch, and per example.

    Over 400 updates the share is compared with 1 - rate, within five standard errors. A branch that is dropped for each example
    independently is still computed for all examples.
    """
    rate, updates = 0.3, 400
    branch, x = _Branch(), torch.ones(1, BATCH, WIDTH)
    whole = _flops(lambda: branch(x, None))
    whole_batch, each = StochasticDepth(decay="uniform", per="batch"), StochasticDepth(decay="uniform", per="example")
    for variant, name in ((whole_batch, "for a whole batch"), (each, "for each example")):
        layer = noise(variant, Site("b", "branch", (WIDTH,), "F", depth=1.0), rate, BATCH)
        act = partial(layer.branch, "b", branch, x)
        done = sum(_flops(act) for _ in range(updates)) / (updates * whole)
        yield Case(case=name, measured=done, formula=1 - rate, within=5 * (rate * (1 - rate) / updates) ** 0.5)


def _flops(act: Callable[[], Tensor]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        act()
    return int(counter.get_total_flops())
