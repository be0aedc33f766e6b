"""A contextual bandit: it sees a digit and chooses one of ten arms, and only the arm of the digit's class pays 1."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from dropbench.programs.network import LR, logits, split, start

ROUNDS, PULLS, STEPS, BATCH, RATE = 60, 20, 30, 64, 0.2


def advantage(seed: int) -> float:
    """Returns the mean pay if each choice is made with its own dropout mask, minus that of choices without noise.

    The first is Thompson sampling by dropout (Gal & Ghahramani 2016, arXiv:1506.02142, section 5.4). Both networks are trained
    with dropout.
    """
    return paid(seed, explores=True) - paid(seed, explores=False)


def paid(seed: int, *, explores: bool) -> float:
    """Returns the mean pay of 1,200 pulls, the first 20 at random; after every 20, the network is trained on all so far."""
    (x, y), _ = split(seed)
    x, y = x[: ROUNDS * PULLS], y[: ROUNDS * PULLS]
    weights = [w.requires_grad_() for w in start(seed, x.shape[1])]
    optimizer = torch.optim.Adam(weights, lr=LR, fused=True)
    masks, chance = Generator().manual_seed(seed + 2 * 10**6), Generator().manual_seed(seed + 3 * 10**6)
    batches = Generator().manual_seed(seed + 10**6)
    pulled = torch.randint(10, (PULLS,), generator=chance)
    for done in range(PULLS, ROUNDS * PULLS + 1, PULLS):
        pays = (pulled == y[:done]).float()
        if done == ROUNDS * PULLS:
            break
        for _ in range(STEPS):
            rows = torch.randint(done, (BATCH,), generator=batches)
            told = logits(weights, x[rows], RATE, masks).gather(1, pulled[rows, None])[:, 0]
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(told, pays[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            seen = x[done : done + PULLS]
            wanted: Tensor = logits(weights, seen, RATE, masks if explores else None)
        pulled = torch.cat([pulled, wanted.argmax(1)])
    return pays.mean().item()
