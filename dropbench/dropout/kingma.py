"""Variational dropout as Kingma et al. mean it: Gaussian noise on weights with a learned variance."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import AtWeights, Learned, Then, widened
from dropbench.nn.activation import function, one_by_one
from dropbench.nn.product import affine, differentiable_product
from dropbench.sites import Site

_log, _sigmoid = one_by_one(torch.log), function("sigmoid")
_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695
_HIGHEST = 1 - 2.0**-12
"""The largest rate: log α = 8.3. A weight is practically only noise long before that."""
_LOWEST = 2.0**-20


class Kingma(AtWeights, Learned):
    """Multiplies weights of dense layers by N(1, α) and learns α under a log-uniform prior on the weights.

    Kingma, Salimans & Welling 2015 (arXiv:1506.02557), and Molchanov, Ashukha & Vetrov 2017 (arXiv:1701.05369), who let α
    exceed 1 and give each weight its own α ("sparse variational dropout"). `rate` = α / (1 + α) is the rate of Bernoulli
    noise with the same variance. It starts at `dropout.rate`; 1/2 is α = 1, the largest that Kingma et al. allow.

    The noise is drawn for the pre-activations instead of the weights (local reparameterisation, Kingma et al. section 2.2):
    each example's x·w + b gets its own normal noise of variance α x²·w². The distribution is the same, and the gradients
    have less variance. Biases have no noise. `per` says what has its own α: a layer, an input unit (Kingma et al. section 3)
    or a weight (Molchanov et al.).

    The penalty per example is `kl` / N times the divergence from the prior, summed over weights (Molchanov et al. equation
    14). At `kl` 1 the loss is the variational bound. With many more weights than examples this turns most weights into
    noise: two 128-unit layers on 2,000 images of MNIST (Adam at 0.01, 60 epochs, one seed) end at 11 % test accuracy with
    one α per layer and 77 % with one per weight. At `kl` 0.03 both end at 91 %, and without noise at 92 %. The log-uniform
    prior is improper (Hron et al. 2018, arXiv:1807.01969), so regard the bound as a penalty only.

    Evaluation uses the mean weights. The "variational" dropout of Gal & Ghahramani 2016 is another method: `locked`.
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
        """Returns the noise unchanged, since the factor that it gets depends on the input."""
        return noise.to(dtype)

    @override
    def act_affine(self, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, rate: Tensor, then: Then) -> Tensor:
        mean = affine(x, weight, bias)
        rate = rate.clamp(max=_HIGHEST)
        alpha = widened(rate / (1 - rate), weight)
        variance = differentiable_product(x * x, (alpha * (weight * weight)).to(x.dtype))
        # The square root has no derivative at 0, which occurs where an example has no active input.
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
        # Equation 14 with the opposite sign; log(1 + 1/α) is -log rate.
        each = _K1 - _K1 * _sigmoid(_K2 + _K3 * log_alpha) - 0.5 * log_rate
        each = torch.where(rate > 0, each, 0)
        sharing = math.prod(site.shape) / math.prod(self.rate_shape(site))
        # Replica by replica: a sum over the stack would add in an order that depends on the stack's size.
        return torch.stack([one.sum() for one in each.unbind(0)]) * (self.kl * sharing / n_train)
