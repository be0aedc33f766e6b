"""Accuracy under the fast gradient sign method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Gt, MinLen
from torch import Tensor

from dropbench.metrics.probe import Network

Percent = Annotated[int, Gt(0)]


def fgsm(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (5, 10, 25, 50)
) -> dict[str, Tensor]:
    """`fgsm_<percent>_accuracy`: accuracy, 0..1, on x + ε sign(∇ₓ loss), [K] each; {} where examples are no numbers.

    Goodfellow et al. 2015 (arXiv:1412.6572, section 4). ε is in percent of a standard deviation of the normalised input, so
    that it means the same for images and tables; what comes out is not cut off at the range of the data. An example without
    a gradient, as where softmax is saturated, stays as it is: this is a bound from above on robustness, no guarantee.
    """
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        direction = gradient(network, x, y).sign()
        for p, found in right.items():
            with torch.no_grad():
                found.append(network.logits(x + p / 100 * direction).argmax(-1) == y)
    return {f"fgsm_{p:02}_accuracy": share(found) for p, found in right.items()}


def gradient(network: Network, x: Tensor, y: Tensor) -> Tensor:
    """Of each example's cross-entropy, by the example itself: as x, [K, B, ...]."""
    x = x.detach().clone().requires_grad_()
    logits = network.logits(x)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    (found,) = torch.autograd.grad(loss, x)
    return found


def share(right: Sequence[Tensor]) -> Tensor:
    """Of what is right in pieces [K, B] of a part: [K] float64."""
    whole = torch.cat(list(right), 1).cpu()
    return whole.sum(1).double() / whole.shape[1]
