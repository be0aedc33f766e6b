"""What masks at every step leave of a recurrent state."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch

from dropbench.checks.masks import every_mask, noise
from dropbench.dropout.locked import Locked
from dropbench.sites import Site
from dropbench.store import Case

STEPS = 6


def survival() -> Iterator[Case]:
    """The mean of a state of identity dynamics after T steps with a new mask at each, beside keep^T.

    It is keep^T where nothing is scaled. Scaled by 1 / keep, as in every library, the mean stays, and what grows is the
    variance.
    """
    for scaled, name in ((False, "without scaling"), (True, "with scaling")):
        for rate in (0.1, 0.5):
            masks, p = every_mask(rate, STEPS, scaled=scaled)
            mean = float(p @ masks.prod(1))
            yield Case(case=f"{name}, rate {rate}", measured=mean, formula=(1 - rate) ** STEPS, within=1e-9)


def one_mask_a_sequence() -> Iterator[Case]:
    """Does torch's recurrent layer keep one mask a sequence? The share of units dropped at a step that are dropped at the next.

    Two layers of ReLU, of which the first gives ones and the second passes on what comes: so that the masks between them are
    seen. With one layer its `dropout` does nothing, which torch warns of.
    """
    units = 512
    with torch.random.fork_rng(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        two = torch.nn.RNN(1, units, num_layers=2, nonlinearity="relu", dropout=0.5)
        for name, parameter in two.named_parameters():
            parameter.copy_(torch.eye(units) if name == "weight_ih_l1" else torch.zeros_like(parameter))
        two.get_parameter("bias_ih_l0").fill_(1.0)
        first, second = two(torch.zeros(2, 1, 1))[0][:, 0] == 0
        alike = float((first & second).sum() / first.sum())
        yield Case(
            case="torch, two layers: dropped at one step, dropped at the next", measured=alike, formula=1.0, within=0.0
        )
        x = torch.randn(7, 3, 4)
        one = torch.nn.LSTM(4, 8, dropout=0.9)
        trained, still = one(x)[0], one.eval()(x)[0]
        far = float((trained - still).abs().max())
        yield Case(case="torch, one layer: what its dropout changes", measured=far, formula=0.0, within=0.0)
    site = Site("x", "activation", (2, units), "TF")
    held = noise(Locked(), site, 0.5, 1)("x", torch.ones(1, 1, 2, units))[0, 0] == 0
    alike = float((held[0] & held[1]).sum() / held[0].sum())
    yield Case(case="locked dropout: dropped at one step, dropped at the next", measured=alike, formula=1.0, within=0.0)
