"""Accuracy with 8-bit weights and activations, whose ranges were found with the noise off or with it left on."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.loss import loss
from dropbench.metrics.probe import Network, first
from dropbench.metrics.sharpness import Count, moved

Ranges = dict[str, tuple[Tensor, Tensor]]
"""The smallest and the largest number seen at each site, [K] each."""
_CALIBRATIONS = (("int8", None), ("int8_noisy", "int8"))
"""How the measures' names begin, and the stream of the noise during calibration; None: the noise is off."""


@torch.no_grad()
def int8(network: Network, part: str, *, examples: Count = 512) -> dict[str, Tensor]:
    """Computes accuracy and loss after static quantisation: of all weights, and of the outputs of all activation sites.

    The input is quantised too. An activation has 256 evenly spaced levels between the smallest and the largest number seen at
    its site for training examples ("min-max calibration"); 0 is one of the levels, and numbers outside the range are clipped.
    A weight tensor has 255 levels, symmetric around 0 up to its largest absolute value; biases and the scales of norms are not
    quantised. Rounded numbers are used as floats ("fake quantisation"). If dropout is left on during calibration, a site sees
    numbers that are larger by the factor 1 / (1 - rate), and later layers see noise.

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
    Jacob et al. 2018 (arXiv:1712.05877), section 3; Krishnamoorthi 2018 (arXiv:1806.08342), section 2.
    """
    sites = {name for name, kind in network.kinds.items() if kind in ("activation", "feedforward")}
    if not sites:
        return {}
    # As in torch's static quantisation, ranges are found while the weights are still floats.
    calibrated = {opening: _seen(network, sites, examples, stream) for opening, stream in _CALIBRATIONS}
    weights = [w for w in network.parameters if w.ndim > 2]
    found: dict[str, Tensor] = {}
    with moved(weights, [quantised_weight(w) - w for w in weights]):
        for opening, ranges in calibrated.items():

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
    least, most = least.clamp(max=0), most.clamp(min=0)
    step = _step(most - least, 255)
    return _rounded(h, step, (-least / step).round(), 0, 255)


def quantised_weight(w: Tensor) -> Tensor:
    """Rounds w [K, ...] to 255 evenly spaced levels, symmetric around 0, up to each replica's largest absolute value."""
    step = _step(w.float().abs().flatten(1).amax(1), 127)
    return _rounded(w, step, torch.zeros_like(step), -127, 127)


def _step(length: Tensor, levels: int) -> Tensor:
    return (length / levels).clamp(min=torch.finfo(torch.float32).eps)


def _rounded(h: Tensor, step: Tensor, zero: Tensor, least: int, most: int) -> Tensor:
    """Rounds h [K, ...] to whole steps [K]. What is not finite stays as it is, for the loss to tell of it."""
    known = step.isfinite() & zero.isfinite()  # torch refuses a replica's numbers if its ranges are not finite
    step, zero = torch.where(known, step, 1.0), torch.where(known, zero, 0.0).to(torch.int32)
    whole = torch.fake_quantize_per_channel_affine(h.float(), step, zero, 0, least, most)
    finite = h.isfinite() & known.view(-1, *(1,) * (h.ndim - 1))
    return torch.where(finite, whole.to(h.dtype), h)
