"""Variational dropout in the sense of Kingma: Gaussian noise on weights, whose variance is learned."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import AtWeights, Learned, Then, widened
from dropbench.nn.activation import function, one_by_one
from dropbench.nn.product import affine
from dropbench.sites import Site

_log, _sigmoid = one_by_one(torch.log), function("sigmoid")
_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695
_HIGHEST = 1 - 2.0**-12
"""The largest rate: log α = 8.3. Far below it a weight is all noise and has been given up."""
_LOWEST = 2.0**-20


class Kingma(AtWeights, Learned):
    """Weights of dense layers are multiplied by N(1, α), and α is learned under a log-uniform prior on the weights.

    Kingma, Salimans & Welling 2015 (arXiv:1506.02557), and Molchanov, Ashukha & Vetrov 2017 (arXiv:1701.05369), who let α
    grow beyond 1 and be each weight's own ("sparse variational dropout"). `rate` = α / (1 + α): that of the Bernoulli noise
    with the same variance; `dropout.rate` is where it starts, and 1/2 is α = 1, at which Kingma et al. stop.

    The noise is drawn not on weights but on what they add up to (local reparameterisation, Kingma et al. section 2.2): each
    example's x·w + b gets its own normal of variance α x²·w², which has the same distribution and gradients of less
    variance. Biases have no noise. `per`: one α a layer; one an input unit (Kingma et al. section 3); or one a weight
    (Molchanov et al.).

    The penalty of an example is `kl` / N times the divergence from the prior, each weight's by Molchanov et al. equation 14.
    At `kl` 1 it is the variational bound, and where weights are many more than examples that gives the weights up: two
    128-unit layers on 2,000 images of MNIST (Adam at 0.01, 60 epochs, one seed) end at 11 % test accuracy with an α a layer
    and 77 % with one a weight, at `kl` 0.03 at 91 % with either, and without noise at 92 %. The log-uniform prior is
    improper (Hron et al. 2018, arXiv:1807.01969), so the bound is to be taken as a penalty.

    Evaluation uses the mean weights. Not the "variational" dropout of Gal & Ghahramani 2016: that is `locked`.
    """

    draws: ClassVar[Literal["bits", "normal"]] = "normal"

    def __init__(self, *, per: Literal["layer", "unit", "weight"] = "layer", kl: Annotated[float, Ge(0)] = 1.0) -> None:
        self.per = per
        self.kl = kl

    @override
    def rate_shape(self, site: Site) -> tuple[int, ...]:
        inputs, outputs = site.shape
        return {"layer": (), "unit": (inputs, 1), "weight": (inputs, outputs)}[self.per]

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """The noise as it is: what it multiplies depends on the input."""
        return noise.to(dtype)

    @override
    def act_affine(self, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, rate: Tensor, then: Then) -> Tensor:
        mean = affine(x, weight, bias)
        rate = rate.clamp(max=_HIGHEST)
        alpha = widened(rate / (1 - rate), weight)
        variance = torch.bmm(x * x, (alpha * (weight * weight)).to(x.dtype))
        # A root has no slope at 0, where an example has no active input.
        noisy = variance > 0
        deviation = torch.where(noisy, torch.sqrt(torch.where(noisy, variance, 1)), 0)
        return then(mean + (deviation * mask).to(mean.dtype))

    @override
    def evaluate_affine(self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Then) -> Tensor:
        return then(affine(x, weight, bias))

    @override
    def penalty(self, site: Site, rate: Tensor, reader: Tensor | None, n_train: int) -> Tensor:
        r = rate.clamp(_LOWEST, _HIGHEST)
        log_rate = _log(r)
        log_alpha = log_rate - _log(1 - r)
        # Equation 14 with its sign turned: log(1 + 1/α) is -log rate.
        each = _K1 - _K1 * _sigmoid(_K2 + _K3 * log_alpha) - 0.5 * log_rate
        each = torch.where(rate > 0, each, 0)
        sharing = math.prod(site.shape) / math.prod(self.rate_shape(site))
        # Row by row: a sum over the stack would add in an order that depends on it.
        return torch.stack([one.sum() for one in each.unbind(0)]) * (self.kl * sharing / n_train)
