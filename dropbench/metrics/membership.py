"""Membership inference: telling training examples from others by their loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def membership(network: Network, part: str) -> dict[str, Tensor]:
    """Computes the probability that a training example has a smaller loss than an example of the split `part`.

    This is the area under the ROC curve of an attack that takes examples with small losses for training examples. Training
    examples have the labels that were trained on. Wrong labels (`data.label_noise`) raise only the training losses, and the
    area may fall below 0.5.

    Returns
    -------
    dict
        `membership_auc` [K], 0..1, with ties counting half; 0.5 if the loss reveals nothing, 1 if it reveals every training
        example. Empty for the split train.

    References
    ----------
    Yeom et al. 2018 (arXiv:1709.01604); their attack has a single threshold.
    """
    if part == "train":
        return {}
    members, others = losses(network, "train"), losses(network, part)
    pairs = zip(members.unbind(0), others.unbind(0), strict=True)
    return {"membership_auc": torch.stack([auc(*pair) for pair in pairs])}


def losses(network: Network, part: str) -> Tensor:
    """Returns the cross-entropy of each example in nats, [K, n] float64 on the CPU."""
    pieces = []
    for x, y in network.examples(part):
        pairs = zip(network.logits(x).cpu().double().unbind(0), y.cpu().unbind(0), strict=True)
        pieces.append(torch.stack([F.cross_entropy(*pair, reduction="none") for pair in pairs]))
    return torch.cat(pieces, 1)


def auc(small: Tensor, large: Tensor) -> Tensor:
    """Returns the probability that one of `small` [n] is below one of `large` [m]; ties count half (Mann and Whitney 1947)."""
    ordered = small.sort().values
    under = torch.searchsorted(ordered, large) + torch.searchsorted(
        ordered, large, right=True
    )  # twice the count, so that it is a whole number
    return under.sum().double() / (2 * len(small) * len(large))
