"""Concrete dropout: a Bernoulli rate learned through a continuous relaxation."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Learned, widened
from dropbench.nn.activation import function, one_by_one
from dropbench.sites import Site

_log, _logit, _sigmoid = one_by_one(torch.log), one_by_one(torch.logit), function("sigmoid")
_EDGE = 2.0**-20
"""Learned rates stay at least this far from 0 and 1, where the logarithms are infinite."""


class Concrete(Learned):
    """`standard` with one rate per site that is learned by gradient descent, starting at `dropout.rate`.

    Gal, Hron & Kendall 2017 (arXiv:1705.07832). A binary mask has no gradient with respect to its rate. So in training the
    dropped share of an element is not 0 or 1 but z = sigmoid((logit rate + logit u) / t) with u uniform (their section 4,
    and Maddison et al. 2017). At a small temperature t, z is near 0 or 1, and it is above 1/2 exactly where `standard` would
    drop the element for the same u. The remaining share 1 - z is scaled by 1 / (1 - rate). Its mean is not exactly 1, since
    the relaxation pulls z towards 1/2, by about (π² / 6) t² rate (1 - rate) (1 - 2 rate). At t = 0.1 the mean is 0.9987 at
    rate 0.1, 1 at 0.5 and 1.012 at 0.9.

    The prior (their equations 2-4) keeps the rate away from 0, more strongly with fewer examples. The penalty per example is

        (1 / N) · (l² / 2 · ‖W‖² / (1 - rate) - F · H(rate)),

    with N the number of training examples, W the weights that read the site, F the number of its features, H the entropy of
    a coin in nats and l the prior's length scale. The paper has l² (1 - rate) / 2 · ‖M‖² with M the weights under an
    unscaled mask; with inverted scaling the trained weights are W = (1 - rate) M. (The authors' code has twice this penalty,
    for a loss that is twice a negative log-likelihood.) The entropy alone would move the rate to 1/2; the loss on the data
    lowers it. For a reconstruction, whose loss is the mean square over D features, the penalty is right for a Gaussian
    likelihood of variance D / 2.

    There is one draw per feature or channel for all steps or positions, since these share the weights that the prior is
    about. On maps this is the authors' spatial concrete dropout, on sequences one mask per sequence. Evaluation is the
    identity.
    """

    def __init__(
        self, *, length_scale: Annotated[float, Gt(0)] = 1e-2, temperature: Annotated[float, Gt(0)] = 0.1
    ) -> None:
        self.length_scale = length_scale
        self.temperature = temperature

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        if site.axes not in ("F", "TF", "CHW"):
            return f"has a prior for vectors, sequences and maps, and {site.name} is none of them"
        if site.reader is None:
            return f"has a prior on the weights that read a site, and no single layer reads {site.name}"
        return None

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(n if axis in "FC" else 1 for n, axis in zip(site.shape, site.axes, strict=True)))

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        uniform = (noise.float() + (LEVELS // 2 + 0.5)) / LEVELS
        p = rate.clamp(_EDGE, 1 - _EDGE)
        dropped = _sigmoid((widened(_logit(p), uniform) + _logit(uniform)) / self.temperature)
        soft = (1 - dropped) * widened(1 / (1 - p), uniform)
        return torch.where(rate > 0, soft, 1).to(dtype)  # rate 0 is the identity exactly

    @override
    def penalty(self, site: Site, rate: Tensor, reader: Tensor | None, n_train: int) -> Tensor:
        assert reader is not None  # see `supports`
        p = rate.clamp(_EDGE, 1 - _EDGE)
        # Replica by replica: a sum over the stack would add in an order that depends on the stack's size.
        squares = torch.stack([w.square().sum() for w in reader.float().unbind(0)])
        features = math.prod(n for n, axis in zip(site.shape, site.axes, strict=True) if axis in "FC")
        entropy = -p * _log(p) - (1 - p) * _log(1 - p)
        kl = self.length_scale**2 / 2 * squares / (1 - p) - features * entropy
        return torch.where(rate > 0, kl / n_train, 0)
