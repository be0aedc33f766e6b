"""Checks the effect of dropout on recurrent networks."""

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
    """Compares the mean of a state with identity dynamics, after T steps with a new mask at each, with keep^T.

    They are equal without scaling. With scaling by 1 / keep, as in every library, the mean stays at 1 and the variance grows.
    """
    for scaled, name in ((False, "without scaling"), (True, "with scaling")):
        for rate in (0.1, 0.5):
            masks, p = every_mask(rate, STEPS, scaled=scaled)
            mean = float(p @ masks.prod(1))
            yield Case(case=f"{name}, rate {rate}", measured=mean, formula=(1 - rate) ** STEPS, within=1e-9)


def one_mask_a_sequence() -> Iterator[Case]:
    """Yields the share of units dropped at one step that are also dropped at the next: 1 if a sequence has one mask.

    It is measured between the two layers of a torch RNN, in which the first layer outputs ones and the second passes on its
    input, so that the masks are visible; and for locked dropout (Gal & Ghahramani 2016), which uses one mask per sequence.
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
    """Compares a single torch layer's outputs in training and evaluation: its dropout=0.9 would act only between layers."""
    for kind in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
        with torch.random.fork_rng(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch also warns that this has no effect
            torch.manual_seed(0)
            x, one = torch.randn(7, 3, 4), kind(4, 8, dropout=0.9)
            far = float((one(x)[0] - one.eval()(x)[0]).abs().max())
        yield Case(case=kind.__name__, measured=far, formula=0.0, within=0.0)


def _alike(dropped: Tensor) -> float:
    """Returns the share of units dropped at the first of two steps [2, units] that are also dropped at the second."""
    return float((dropped[0] & dropped[1]).sum() / dropped[0].sum())
