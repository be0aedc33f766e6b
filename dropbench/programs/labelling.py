"""Active learning: the next labels are for examples on which passes with dropout disagree, or for random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from dropbench.programs.network import Weights, fitted, logits, split

START, ADDED, ROUNDS, PASSES, STEPS, RATE = 20, 20, 6, 20, 300, 0.5
Choose = Callable[[Weights, Tensor], Tensor]
"""A function of a network and the unlabelled examples [n, 64] that returns a score for each, [n]."""


def advantage(seed: int) -> float:
    """Returns how much higher test accuracy is, averaged over label counts, if disagreement chooses examples and not chance.

    Both start with the same 20 digits and add 20 more, six times. Each time, a network with dropout is fitted from scratch,
    with the same number of steps. The result is the difference of the mean heights of the two curves (Gal, Islam & Ghahramani
    2017, arXiv:1703.02910, with their BALD). Above 0 disagreement is better.
    """
    masks, chance = Generator().manual_seed(seed + 3 * 10**6), Generator().manual_seed(seed + 4 * 10**6)

    def by_disagreement(network: Weights, x: Tensor) -> Tensor:
        return disagreement(torch.stack([logits(network, x, RATE, masks).softmax(1) for _ in range(PASSES)]))

    def by_chance(network: Weights, x: Tensor) -> Tensor:
        return torch.rand(len(x), generator=chance)

    return area(curve(seed, by_disagreement)) - area(curve(seed, by_chance))


def curve(seed: int, choose: Choose) -> list[float]:
    """Returns the test accuracies with 20, 40, ..., 140 labels."""
    (x, y), (x_test, y_test) = split(seed)
    labelled = torch.zeros(len(y), dtype=torch.bool)
    labelled[:START] = True  # their order depends on the seed
    scores = []
    for _ in range(ROUNDS + 1):
        network = fitted(x[labelled], y[labelled], RATE, seed, STEPS)
        scores.append((logits(network, x_test).argmax(1) == y_test).double().mean().item())
        wanted = choose(network, x).masked_fill(labelled, -torch.inf)
        labelled[wanted.topk(ADDED).indices] = True
    return scores


def disagreement(p: Tensor) -> Tensor:
    """Returns the mutual information of label and mask, [n] in nats, for probabilities p [passes, n, classes].

    It is the entropy of the mean minus the mean entropy, at least 0: BALD of Houlsby et al. 2011 (arXiv:1112.5745).
    """
    told: Tensor = torch.special.entr(p.mean(0)).sum(-1) - torch.special.entr(p).sum(-1).mean(0)
    return told


def area(scores: Sequence[float]) -> float:
    """Returns the mean height of a curve with equal steps, by the trapezoidal rule."""
    return (sum(scores) - (scores[0] + scores[-1]) / 2) / (len(scores) - 1)
