"""DropConnect."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from dropbench.dropout.base import Variant, keep_mask
from dropbench.nn.linear import affine
from dropbench.sites import Kind, Site


class DropConnect(Variant):
    """Weights and biases of dense layers are dropped, one mask a batch, and what is kept is scaled by 1 / (1 - rate).

    Wan et al. 2013 (ICML). Their training leaves the weights unscaled and their inference shrinks them; scaling in training
    instead gives the same family of networks with weights larger by 1 / (1 - rate), and rate 0 is then the identity.

    Inference follows their section 3.3: a unit's input under random masks is a sum of many terms, close to a Gaussian with
    mean x·w + b and variance rate / (1 - rate) · (x²·w² + b²), and the unit's output is the mean of the activation over
    it. They sample the Gaussian; here fixed quantiles take the samples' place, so evaluation is deterministic.

    What Keras contributions and EfficientNet call "drop_connect" drops whole residual branches: stochastic depth.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"weight"})

    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        inputs, outputs = site.shape
        return (inputs + 1, outputs)  # the last row is the bias

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        return keep_mask(noise, rate, dtype)

    def evaluate_affine(
        self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Callable[[Tensor], Tensor]
    ) -> Tensor:
        mean = affine(x, weight, bias)
        deviation = torch.sqrt(affine(x * x, weight * weight, bias * bias) * (rate / (1 - rate)))
        nodes = _normal_nodes()
        average = sum((then(mean + node * deviation) for node in nodes), torch.zeros((), device=x.device)) / len(nodes)
        # Rate 0 is the identity exactly, not up to the rounding of a mean.
        return torch.where(rate == 0, then(mean), average)


def _normal_nodes() -> list[float]:
    """The medians of 16 equally likely slices of the standard normal, rescaled to variance 1.

    The largest error of a ReLU's mean is 0.010 standard deviations, half that of as many Gauss-Hermite nodes, which are
    made for smooth functions.
    """
    nodes = torch.special.ndtri((torch.arange(16, dtype=torch.float64) + 0.5) / 16)
    scaled: list[float] = (nodes / nodes.square().mean().sqrt()).tolist()
    return scaled
