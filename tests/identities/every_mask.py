"""Expectations over masks without sampling: what a mask does to an element, and sums over every mask of d elements.

Where an element is kept or dropped, an expectation over the masks of d elements is a sum of 2^d terms. Gaussian noise
is put in the place of that by the three nodes of Gauss-Hermite quadrature an element: sums over 3^d are exact for
whatever is a polynomial of degree at most 5 in each element's factor, as a squared error and its gradient's square are.
The values are those that the engine multiplies by, not a second implementation; `test_every_mask.py` holds both to what
the engine draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from hypothesis import strategies as st
from noise_kit import VARIANTS, factor, stack_noise
from torch import Tensor

from dropbench.sites import Site

ELEMENTWISE = ("standard", "classic", "unscaled", "gaussian")
"""The variants that draw for each element of a vector by itself and only multiply. A new one of that kind goes here."""
INVERTED = ("standard", "gaussian", "dropconnect")
"""Those whose factors have mean 1 in training."""

RATES = st.integers(2**9, 2**16 - 2**9).map(lambda level: level / 2**16)
"""Multiples of 2⁻¹⁶, which the engine meets exactly, so that identities need no allowance for the rounding of a rate."""

SINGLE = 2.0**-23
"""The scale of what is kept is a single-precision number: 1 / keep to within a relative 2⁻²⁴, and twice that when squared."""


@dataclass(frozen=True)
class Law:
    """The distribution of one element's factor: `values` and `probabilities`, [S], float64."""

    values: Tensor
    probabilities: Tensor

    def moment(self, order: int) -> float:
        """E m^order; for Gaussian noise of order at most 5."""
        return float(self.probabilities @ self.values**order)

    @property
    def mean(self) -> float:
        return self.moment(1)

    @property
    def variance(self) -> float:
        return float(self.probabilities @ (self.values - self.mean) ** 2)


def vector(features: int) -> Site:
    return Site("x", "activation", (features,), "F")


WEIGHT = Site("x", "weight", (7, 6), "IO")


@cache
def law(variant: str, rate: float) -> Law:
    """Of one element under this variant; `rate` a multiple of 2⁻¹⁶ within `RATES`."""
    if VARIANTS[variant].draws == "normal":
        deviation = math.sqrt(3 * rate / (1 - rate))
        values, probabilities = [1 - deviation, 1.0, 1 + deviation], [1 / 6, 2 / 3, 1 / 6]
    else:
        at = vector(48) if VARIANTS[variant].supports(vector(48)) is None else WEIGHT
        drawn = factor(stack_noise(variant, at, [rate] * 64, range(64), 1), at, 64, 1)
        values, probabilities = drawn.double().unique().tolist(), [rate, 1 - rate]
        assert len(values) == 2 and values[0] == 0
    return Law(torch.tensor(values, dtype=torch.float64), torch.tensor(probabilities, dtype=torch.float64))


def every_mask(of: Law, elements: int) -> tuple[Tensor, Tensor]:
    """All masks of so many elements [S^elements, elements], and the probability of each."""
    masks = torch.cartesian_prod(*[of.values] * elements).view(-1, elements)
    probabilities = torch.cartesian_prod(*[of.probabilities] * elements).view(-1, elements).prod(1)
    return masks, probabilities


def sampled_gradients(variant: str, rate: float, x: Tensor, y: Tensor, w: Tensor, copies: int) -> Tensor:
    """Gradients of ½ Σ_i (y_i - w · (m_i ∘ x_i))² in w under the engine's own masks, by autograd: [copies, d].

    x [n, d], y [n], w [d]; each copy, and in it each example, has a mask of its own.
    """
    n, d = x.shape
    at = vector(d)
    noise = stack_noise(variant, at, [rate], [0], copies * n)
    weights = w.expand(copies, d).clone().requires_grad_()
    noisy = noise(at.name, x.repeat(copies, 1)[None]).view(copies, n, d)
    error = (y - (noisy @ weights[..., None]).squeeze(-1)).square().sum() / 2
    (gradient,) = torch.autograd.grad(error, weights)
    return gradient


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def standard_errors(samples: Tensor, mean: Tensor) -> Tensor:
    """How many standard errors the mean of samples [N, ...] lies from where it should."""
    return (samples.mean(0) - mean).abs() / (samples.std(0) / math.sqrt(len(samples)))


def standard_errors_of_variance(samples: Tensor, variance: Tensor) -> Tensor:
    """The same of the variance, whose standard error is that of the mean of squared deviations."""
    return standard_errors((samples - samples.mean(0)) ** 2, variance)
