"""Membership inference by the loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def membership(network: Network, part: str) -> dict[str, Tensor]:
    """`membership_auc` [K]: the chance that a training example has a smaller loss than one of `part`, ties counting half.

    The area under the ROC curve of the attack that takes examples of small loss for training examples, over all thresholds
    (Yeom et al. 2018, arXiv:1709.01604, whose adversary has one). 0.5: nothing leaks; 1: every training example shows. Labels
    are those trained on: wrong ones (`data.label_noise`) raise the training losses alone, and may bring it under 0.5.
    """
    if part == "train":
        return {}
    members, others = losses(network, "train"), losses(network, part)
    pairs = zip(members.unbind(0), others.unbind(0), strict=True)
    return {"membership_auc": torch.stack([auc(*pair) for pair in pairs])}


def losses(network: Network, part: str) -> Tensor:
    """The cross-entropy of each example, in nats: [K, n] float64, on the CPU."""
    found = []
    for x, y in network.examples(part):
        pairs = zip(network.logits(x).cpu().double().unbind(0), y.cpu().unbind(0), strict=True)
        found.append(torch.stack([F.cross_entropy(*pair, reduction="none") for pair in pairs]))
    return torch.cat(found, 1)


def auc(small: Tensor, large: Tensor) -> Tensor:
    """The chance that one of `small` [n] is under one of `large` [m], ties counting half (Mann & Whitney 1947)."""
    ordered = small.sort().values
    under = torch.searchsorted(ordered, large) + torch.searchsorted(ordered, large, right=True)  # twice: whole numbers
    return under.sum().double() / (2 * len(small) * len(large))
