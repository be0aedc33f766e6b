"""Which examples to label next: those on which passes with dropout disagree, or any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from dropbench.programs.network import Weights, fitted, logits, split

START, ADDED, ROUNDS, PASSES, STEPS, RATE = 20, 20, 6, 20, 300, 0.5
Choose = Callable[[Weights, Tensor], Tensor]
"""From a network and the examples without a label, [n, 64], to how much each is wanted, [n]."""


def advantage(seed: int) -> float:
    """How much higher the labelling curve lies where disagreement chooses than where chance does, in accuracy.

    Both begin with the same 20 digits and take 20 more six times; a network with dropout is fitted anew each time, for as many
    steps. Higher is better. The mean height of the test accuracy over the number of labels is compared (Gal, Islam & Ghahramani
    2017, arXiv:1703.02910, with their BALD).
    """
    masks, chance = Generator().manual_seed(seed + 3 * 10**6), Generator().manual_seed(seed + 4 * 10**6)

    def by_disagreement(network: Weights, x: Tensor) -> Tensor:
        return disagreement(torch.stack([logits(network, x, RATE, masks).softmax(1) for _ in range(PASSES)]))

    def by_chance(network: Weights, x: Tensor) -> Tensor:
        return torch.rand(len(x), generator=chance)

    return area(curve(seed, by_disagreement)) - area(curve(seed, by_chance))


def curve(seed: int, choose: Choose) -> list[float]:
    """The test accuracy with 20 labels, 40, ..."""
    (x, y), (x_test, y_test) = split(seed)
    labelled = torch.zeros(len(y), dtype=torch.bool)
    labelled[:START] = True  # their order is the seed's
    scores = []
    for _ in range(ROUNDS + 1):
        network = fitted(x[labelled], y[labelled], RATE, seed, STEPS)
        scores.append((logits(network, x_test).argmax(1) == y_test).double().mean().item())
        wanted = choose(network, x).masked_fill(labelled, -torch.inf)
        labelled[wanted.topk(ADDED).indices] = True
    return scores


def disagreement(p: Tensor) -> Tensor:
    """Of passes' probabilities [passes, n, classes] the mutual information of label and mask, in nats, at least 0: [n].

    The entropy of the mean less the mean entropy: BALD of Houlsby et al. 2011 (arXiv:1112.5745).
    """
    told: Tensor = torch.special.entr(p.mean(0)).sum(-1) - torch.special.entr(p).sum(-1).mean(0)
    return told


def area(scores: Sequence[float]) -> float:
    """The mean height of a curve over equal steps, by trapezoids."""
    return (sum(scores) - (scores[0] + scores[-1]) / 2) / (len(scores) - 1)
