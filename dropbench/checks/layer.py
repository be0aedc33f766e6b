"""Checks the outputs and gradients of one dropout layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from dropbench.checks.masks import ROUNDING, every_mask, noise, normal
from dropbench.dropout.standard import Standard
from dropbench.sites import Site
from dropbench.store import Case


def worked_example() -> Iterator[Case]:
    """Yields the largest difference of a mask, and of the input's gradient, from the 20 numbers of a printed example.

    The example has a mask from NumPy's seed 1 at rate one half, inputs 0 to .95, and incoming gradients 0 to .38.
    """
    mask, gradient = _example()
    kept, passed = torch.zeros(20, dtype=torch.float64), torch.zeros(20, dtype=torch.float64)
    kept[_KEPT] = 2.0
    passed[_KEPT] = torch.tensor([0.04, 0.36, 0.44, 0.52, 0.6, 0.68], dtype=torch.float64)
    yield _far("the mask", mask, kept.view(4, 5))
    yield _far("the gradient of the input", gradient, passed.view(4, 5))


def gradient_is_mask() -> Iterator[Case]:
    """Compares the gradient of the input with the mask. They differ, as it is the mask times the incoming gradient."""
    mask, gradient = _example()
    yield _far("in the worked example", gradient, mask)


_KEPT = [1, 9, 11, 13, 15, 17]
"""The elements of the worked example that are not dropped, numbered row by row."""


def _example() -> tuple[Tensor, Tensor]:
    """Returns the mask and, by autograd, the gradient of the input, [4, 5] each."""
    x = torch.arange(20, dtype=torch.float64).reshape(4, 5) / 20
    upstream = torch.arange(20, dtype=torch.float64).reshape(4, 5) / 50
    mask = torch.from_numpy((np.random.RandomState(1).rand(4, 5) > 0.5) / 0.5)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(((x * mask) * upstream).sum(), x)
    return mask, gradient


def every_gradient() -> Iterator[Case]:
    """Checks the engine's dropout: the gradient of its input is the mask times the incoming gradient."""
    for rate in (0.2, 0.5):
        layer = noise(Standard(), Site("x", "activation", (40,), "F"), rate, 8)
        x, upstream = normal(1, 1, 8, 40).requires_grad_(), normal(2, 1, 8, 40)
        out = layer("x", x)
        (gradient,) = torch.autograd.grad((out * upstream).sum(), x)
        far = float((gradient - out / x * upstream).detach().abs().max())
        yield Case(case=f"rate {rate}", measured=far, formula=0.0, within=ROUNDING * 10)


def order() -> Iterator[Case]:
    """Yields the largest difference between outputs with dropout before and after a nonlinearity, over all masks.

    There is none for ReLU, since ReLU(c x) = c ReLU(x) for c >= 0, but there is for tanh and sigmoid.
    """
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "ReLU": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    masks, _ = every_mask(0.5, 6)
    x = normal(3, 6)
    for name, function in functions.items():
        far = (function(masks * x) - masks * function(x)).abs().max()
        yield Case(case=name, measured=float(far), formula=0.0, within=1e-12)


def exact_zeros() -> Iterator[Case]:
    """Checks that a dropped unit adds exactly 0 to the next layer in half precision: other weights give the same outputs."""
    for dtype, name in ((torch.float16, "fp16"), (torch.bfloat16, "bf16")):
        x, w = normal(4, 64).to(dtype), normal(5, 64, 16).to(dtype)
        mask = (normal(6, 64) > 0).to(dtype)
        other = torch.where(mask[:, None] == 0, normal(7, 64, 16).to(dtype), w)
        far = ((x * mask) @ w - (x * mask) @ other).abs().max()
        yield Case(case=name, measured=float(far), formula=0.0, within=0.0)


def every_unit_learns() -> Iterator[Case]:
    """Yields the share of units that were dropped in all of T updates with B masks each, compared with rate^(T B).

    This share falls so fast that nearly every unit has had a gradient after a few updates. There are 20,000 units, and the
    tolerance is five standard errors.
    """
    units, rate = 20_000, 0.5
    for updates, batch in ((1, 1), (4, 1), (1, 8)):
        layer = noise(Standard(), Site("x", "activation", (units,), "F"), rate, batch)
        never = torch.ones(units, dtype=torch.bool)
        for _ in range(updates):
            never &= (layer("x", torch.ones(1, batch, units))[0] == 0).all(0)
        p = rate ** (updates * batch)
        within = 5 * (p * (1 - p) / units) ** 0.5
        name = f"{updates} updates of {batch} examples" if batch > 1 else f"updates of one example: {updates}"
        yield Case(case=name, measured=float(never.double().mean()), formula=p, within=within)


def _far(name: str, measured: Tensor, formula: Tensor) -> Case:
    return Case(case=name, measured=float((measured - formula).abs().max()), formula=0.0, within=1e-12)
