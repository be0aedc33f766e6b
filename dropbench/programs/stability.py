"""How much a network changes where one of its training examples is replaced by another."""

from __future__ import annotations

from torch import Tensor

from dropbench.programs.network import fitted, logits, split

N_TRAIN, REPLACED, STEPS, RATE = 100, 2, 300, 0.5


def change(seed: int) -> float:
    """How much more the network with dropout changes than the one without, in probability; below 0 is steadier."""
    return mean_change(seed, RATE) - mean_change(seed, 0.0)


def mean_change(seed: int, rate: float) -> float:
    """The mean |change| of the true class's probability on test examples, in [0, 1], over two replaced examples.

    All else, start, batches and masks, stays: uniform stability as Bousquet & Elisseeff (2002, JMLR 2) and Hardt et al. (2016,
    arXiv:1509.01240) have it, with a mean in place of the largest change.
    """
    (x, y), test = split(seed)
    before = _told(x[:N_TRAIN], y[:N_TRAIN], test, rate, seed)
    changes = []
    for i in range(REPLACED):
        rows = list(range(N_TRAIN))
        rows[i] = N_TRAIN + i
        changes.append((_told(x[rows], y[rows], test, rate, seed) - before).abs().mean().item())
    return sum(changes) / len(changes)


def _told(x: Tensor, y: Tensor, test: tuple[Tensor, Tensor], rate: float, seed: int) -> Tensor:
    """The probability that a network trained on these has for the true class of each test example: [n]."""
    p = logits(fitted(x, y, rate, seed, STEPS), test[0]).double().softmax(1)
    return p.gather(1, test[1][:, None])[:, 0]
