"""Accuracy with 8-bit activations, whose ranges were found with the noise off or with it left on."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.loss import loss
from dropbench.metrics.probe import Network, first
from dropbench.metrics.sharpness import Count

_LEVELS = 255
Ranges = dict[str, tuple[Tensor, Tensor]]
"""The smallest and the largest number seen at each site, [K] each."""


@torch.no_grad()
def int8(network: Network, part: str, *, examples: Count = 512) -> dict[str, Tensor]:
    """Computes accuracy and loss with the outputs of all activation sites, including the input, rounded to 256 levels.

    The levels are evenly spaced between the smallest and the largest number seen at a site for training examples ("min-max
    calibration"). 0 is one of the levels, and numbers outside the range are clipped. Rounded numbers are used as floats
    ("fake quantisation"); weights are not rounded. If dropout is left on during calibration, a site sees numbers that are
    larger by the factor 1 / (1 - rate), and later layers see noise.

    Parameters
    ----------
    examples : int
        The largest number of training examples used to find the ranges.

    Returns
    -------
    dict
        [K] each: `int8_accuracy`, 0..1, and `int8_loss`, nats, with the noise off throughout; `int8_noisy_accuracy` and
        `int8_noisy_loss` with the noise on during calibration only. Empty for a model without activation sites.

    References
    ----------
    Jacob et al. 2018 (arXiv:1712.05877), section 3.
    """
    sites = {name for name, kind in network.kinds.items() if kind in ("activation", "feedforward")}
    if not sites:
        return {}
    found: dict[str, Tensor] = {}
    for opening, stream in (("int8", None), ("int8_noisy", "int8")):
        ranges = _seen(network, sites, examples, stream)

        def rounded(site: str, h: Tensor, ranges: Ranges = ranges) -> Tensor:
            return quantised(h, *ranges[site]) if site in ranges else h

        logits_of = network.changed(rounded)
        pieces = [(logits_of(x), y) for x, y in network.examples(part)]
        logits, targets = (torch.cat(side, 1) for side in zip(*pieces, strict=True))
        found[f"{opening}_accuracy"], found[f"{opening}_loss"] = accuracy(logits, targets), loss(logits, targets)
    return found


def _seen(network: Network, sites: set[str], examples: int, stream: str | None) -> Ranges:
    """Returns the ranges of the outputs of these sites."""
    ranges: Ranges = {}

    def see(site: str, h: Tensor) -> Tensor:
        if site in sites:
            each = h.float().flatten(1)
            least, most = each.amin(1), each.amax(1)
            if site in ranges:
                least, most = torch.minimum(least, ranges[site][0]), torch.maximum(most, ranges[site][1])
            ranges[site] = least, most
        return h

    logits_of = network.changed(see, stream)
    for x, _ in first(network, "train", examples):
        logits_of(x)
    return ranges


def quantised(h: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """Rounds h [K, ...] to 256 evenly spaced levels from `least` to `most` [K], with 0 as one of them."""
    shape = (-1, *(1,) * (h.ndim - 1))
    least, most = least.clamp(max=0).view(shape), most.clamp(min=0).view(shape)
    step = ((most - least) / _LEVELS).clamp(min=torch.finfo(torch.float32).tiny)
    zero = (-least / step).round()
    level = ((h.float() / step).round() + zero).clamp(0, _LEVELS)
    return ((level - zero) * step).to(h.dtype)
