"""One pass with the dropout noise left on, which is what forgetting to switch it off amounts to."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.loss import loss
from dropbench.metrics.probe import Network


@torch.no_grad()
def noisy(network: Network, part: str) -> dict[str, Tensor]:
    """Accuracy and loss of a single pass with the noise on, and how large its logits are beside those without.

    Each example has masks of its own. Batch norm stays on its running statistics: the noise alone was forgotten.

    Returns
    -------
    dict
        [K] each: `noisy_accuracy`, 0..1; `noisy_loss`, nats; `noisy_scale`, the root mean square of the logits with the noise
        over that without it, where 1 is the same size and below 1 smaller.
    """
    pass_with_noise = network.noisy(f"noisy/{part}")
    with_noise, without, classes = [], [], []
    for x, y in network.examples(part):
        with_noise.append(pass_with_noise(x))
        without.append(network.logits(x))
        classes.append(y)
    logits, clean, targets = (torch.cat(of, 1) for of in (with_noise, without, classes))
    return {
        "noisy_accuracy": accuracy(logits, targets),
        "noisy_loss": loss(logits, targets),
        "noisy_scale": _size(logits) / _size(clean),
    }


def _size(logits: Tensor) -> Tensor:
    """Root mean square of each replica's logits [K, n, C]: [K] float64. By rows, so that no replica's depends on the stack."""
    return torch.stack([row.double().square().mean().sqrt() for row in logits])
