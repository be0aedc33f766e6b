"""How much a network changes if one of its training examples is replaced by another."""

from __future__ import annotations

from torch import Tensor

from dropbench.programs.network import fitted, logits, split

N_TRAIN, REPLACED, STEPS, RATE = 100, 2, 300, 0.5


def change(seed: int) -> float:
    """Returns `mean_change` with dropout minus that without; below 0 the network with dropout changes less."""
    return mean_change(seed, RATE) - mean_change(seed, 0.0)


def mean_change(seed: int, rate: float) -> float:
    """Returns the mean |change| of the true class's probability on test examples, in [0, 1], over two replaced examples.

    Initial weights, batches and masks stay the same. This is the uniform stability of Bousquet & Elisseeff (2002, JMLR 2)
    and Hardt et al. (2016, arXiv:1509.01240), with the mean in place of the largest change.
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
    """Returns the probability of each test example's true class by a network trained on x and y: [n]."""
    p = logits(fitted(x, y, rate, seed, STEPS), test[0]).double().softmax(1)
    return p.gather(1, test[1][:, None])[:, 0]
