"""One pass with the dropout noise left on, as if somebody forgot to switch it off."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.loss import loss
from dropbench.metrics.probe import Network


@torch.no_grad()
def noisy(network: Network, part: str) -> dict[str, Tensor]:
    """Computes accuracy and loss of a single pass with the noise on, and how large its logits are compared with those without.

    Each example has its own masks. Batch norm uses its running statistics, so only the noise is left on.

    Returns
    -------
    dict
        [K] each: `noisy_accuracy`, 0..1; `noisy_loss`, nats; `noisy_scale`, the root mean square of the logits with the
        noise, divided by that without it.
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
    """Returns the root mean square of each replica's logits, [K] float64; row by row, so that the stack does not matter."""
    return torch.stack([row.double().square().mean().sqrt() for row in logits])
