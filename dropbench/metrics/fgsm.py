"""Accuracy under the fast gradient sign method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Computes the accuracy on adversarial examples x + ε sign(∇ₓ loss).

    Examples are not clipped to the range of the data. An example whose gradient is zero, for instance because the softmax is
    saturated, is not changed. So the accuracy is an upper bound of that under stronger attacks, not a guarantee.

    Parameters
    ----------
    percent : sequence of int
        ε in percent of a standard deviation of the normalised input, so that it means the same for images and tables.

    Returns
    -------
    dict
        `fgsm_<percent>_accuracy` [K], 0..1, for each; empty if examples are not numbers.

    References
    ----------
    Goodfellow et al. 2015 (arXiv:1412.6572), section 4.
    """
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        direction = gradient(network.logits, x, y).sign()
        for p, pieces in right.items():
            with torch.no_grad():
                pieces.append(network.logits(x + p / 100 * direction).argmax(-1) == y)
    return {f"fgsm_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}


def gradient(logits_of: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Returns the gradient of each example's cross-entropy with respect to the example, shaped as x [K, B, ...]; y [K, B]."""
    x = x.detach().clone().requires_grad_()
    logits = logits_of(x)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    (slope,) = torch.autograd.grad(loss, x)
    return slope


def share(right: Sequence[Tensor]) -> Tensor:
    """Returns the share of correct predictions over all pieces [K, B] bool of a split: [K] float64."""
    whole = torch.cat(list(right), 1).cpu()
    return whole.sum(1).double() / whole.shape[1]
