"""Two residual branches beside each other, as Shake-Shake has them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class TwoBranches(nn.Module):
    """The mean of two branches of one shape: x [K, B, ...] to [K, B, *shape], with the site `name`.pair.

    There the two are met before their mean is taken, [K, B, 2, *shape]. Gastaldi 2017, arXiv:1705.07485, section 2.

    Parameters
    ----------
    name : str
        What the branches stand in.
    shape : tuple of int
        What comes out of one of them for an example.
    axes : str
        Its letters, as in `Site`.
    first, second : nn.Module
        The branches, functions of (x, noise).
    """

    def __init__(self, name: str, shape: tuple[int, ...], axes: str, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.site = Site(f"{name}.pair", "pair", (2, *shape), f"P{axes}")

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x to the mean of what its branches make of it."""
        # Put together with the channels last, the order in which maps lie in memory.
        pair = torch.stack([branch(x, noise).movedim(2, -1) for branch in (self.first, self.second)], 2).movedim(-1, 3)
        first, second = noise(self.site.name, pair).unbind(2)
        return (first + second) / 2  # which keeps that order, as `mean` does not
