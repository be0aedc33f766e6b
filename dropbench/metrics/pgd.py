"""Accuracy under projected gradient descent, of the network as it is evaluated and with its noise left on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from torch import Tensor

from dropbench.metrics.fgsm import Percent, gradient, share
from dropbench.metrics.probe import Network, first
from dropbench.metrics.sharpness import Count

Logits = Callable[[Tensor], Tensor]


def pgd(
    network: Network,
    part: str,
    *,
    percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25),
    steps: Count = 10,
    masks: Count = 10,
    examples: Count = 500,
) -> dict[str, Tensor]:
    """Computes the accuracy on examples moved by several steps of gradient ascent, each feature by at most ε.

    The attack starts at a random point of the box ±ε. Each step goes 2.5 ε / `steps` along the sign of the loss's gradient
    and is projected back into the box. Examples are not clipped to the range of the data. The arms of a seed start at the
    same points.

    The noise of a network that predicts under a random mask hides its gradient. So the attack on it follows the mean
    gradient over many masks (expectation over transformation). The prediction is then made under a mask that the attack has
    not used.

    Parameters
    ----------
    percent : sequence of int
        ε in percent of a standard deviation of the normalised input.
    steps : int
        Steps of the ascent.
    masks : int
        Masks drawn at each step of the attack with the noise on.
    examples : int
        The largest number of test examples, the first ones. Each takes `steps` · (1 + `masks`) passes for each ε.

    Returns
    -------
    dict
        [K] each, 0..1; empty for splits other than test and if examples are not numbers. `pgd_<percent>_accuracy`: noise off
        in attack and prediction. `eot_<percent>_accuracy`: noise on in both. `eot_00_accuracy`: noise on, without an attack.

    References
    ----------
    Madry et al. 2018 (arXiv:1706.06083), section 2.1; Athalye et al. 2018 (arXiv:1802.00420), section 4.2.
    """
    if part != "test":
        return {}
    noisy, answer, draw = (network.noisy("pgd/masks"), network.noisy("pgd/answer"), network.uniforms("pgd/start"))
    right: dict[str, list[Tensor]] = {}
    for x, y in first(network, part, examples):
        if not x.is_floating_point():
            return {}
        start = 2 * draw(tuple(x.shape[1:])) - 1

        def kept(name: str, logits: Tensor, y: Tensor = y) -> None:
            right.setdefault(name, []).append(logits.argmax(-1) == y)

        kept("eot_00_accuracy", _without_gradient(answer, x))
        for p in percent:
            there = attacked(network.logits, x, y, p / 100, steps, start)
            kept(f"pgd_{p:02}_accuracy", _without_gradient(network.logits, there))
            there = attacked(noisy, x, y, p / 100, steps, start, masks)
            kept(f"eot_{p:02}_accuracy", _without_gradient(answer, there))
    return {name: share(pieces) for name, pieces in right.items()}


def attacked(logits_of: Logits, x: Tensor, y: Tensor, eps: float, steps: int, start: Tensor, draws: int = 1) -> Tensor:
    """Moves x [K, B, ...] within ±eps so that the loss for the classes y [K, B] rises.

    start: the starting point in the box, in -1..1. draws: the number of gradients that are summed at each step.
    """
    there = x + eps * start
    for _ in range(steps):
        slope = gradient(logits_of, there, y)
        for _ in range(draws - 1):
            slope = slope + gradient(logits_of, there, y)
        there = (there + 2.5 * eps / steps * slope.sign()).clamp(x - eps, x + eps)
    return there


@torch.no_grad()
def _without_gradient(logits_of: Logits, x: Tensor) -> Tensor:
    return logits_of(x)
