"""What masks at every step leave of a recurrent state."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

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
    """Is one mask held over a sequence? The share of units dropped at one step that are dropped at the next.

    Between the two layers of torch's recurrent network, of which the first gives ones and the second passes on what comes, so
    that the masks are seen; and by locked dropout (Gal & Ghahramani 2016), which is made for it.
    """
    units = 512
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        two = torch.nn.RNN(1, units, num_layers=2, nonlinearity="relu", dropout=0.5)
        for name, parameter in two.named_parameters():
            parameter.copy_(torch.eye(units) if name == "weight_ih_l1" else torch.zeros_like(parameter))
        two.get_parameter("bias_ih_l0").fill_(1.0)
        dropped = two(torch.zeros(2, 1, 1))[0][:, 0] == 0
    yield Case(case="torch's, between layers", measured=_alike(dropped), formula=1.0, within=0.0)
    site = Site("x", "activation", (2, units), "TF")
    dropped = noise(Locked(), site, 0.5, 1)("x", torch.ones(1, 1, 2, units))[0, 0] == 0
    yield Case(case="locked dropout", measured=_alike(dropped), formula=1.0, within=0.0)


def one_layer() -> Iterator[Case]:
    """How far training outputs of a torch layer built with dropout=0.9 lie from those of evaluation: it acts between layers."""
    for kind in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
        with torch.random.fork_rng(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch says so too
            torch.manual_seed(0)
            x, one = torch.randn(7, 3, 4), kind(4, 8, dropout=0.9)
            far = float((one(x)[0] - one.eval()(x)[0]).abs().max())
        yield Case(case=kind.__name__, measured=far, formula=0.0, within=0.0)


def _alike(dropped: Tensor) -> float:
    """Of two steps [2, units] bool the share of those dropped at the first that are dropped at the second."""
    return float((dropped[0] & dropped[1]).sum() / dropped[0].sum())
