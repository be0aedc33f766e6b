"""Accuracy under projected gradient descent, of the network as it is evaluated and of one that leaves its noise on."""

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
    """Accuracy on examples that several steps of gradient ascent have moved, each feature by at most ε.

    A step goes 2.5 ε / `steps` along the sign of the loss's gradient and back into the box of ±ε, from a random place in it.
    Nothing is clipped to the range of the data. Arms of one seed start at the same places.

    A network that answers under a random mask hides its gradient behind the noise. Whoever attacks it follows the mean
    gradient over many masks (expectation over transformation), which is done here too, and the answer is then given under a
    mask that the attack has not seen.

    Parameters
    ----------
    percent : sequence of int
        ε in percent of a standard deviation of the normalised input.
    steps : int
        Of the ascent.
    masks : int
        Drawn at each step against the noise.
    examples : int
        How many test examples at most, the first ones; each costs `steps` times (1 + `masks`) passes for each ε.

    Returns
    -------
    dict
        [K] each, 0..1; empty for other parts than test, and where examples are not numbers. `pgd_<percent>_accuracy`: noise
        off, in the attack and in the answer. `eot_<percent>_accuracy`: noise on, in both; `eot_00_accuracy`: not attacked.

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
    """Moves x [K, B, ...] within ±eps against the classes y [K, B].

    start: in -1..1, where in that box it begins. draws: gradients of each step, whose sum is followed.
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
