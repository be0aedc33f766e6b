"""Two parallel residual branches, as in Shake-Shake."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class TwoBranches(nn.Module):
    """Takes the mean of two branches of the same shape: x [K, B, ...] to [K, B, *shape], with the site `name`.pair.

    At this site the two branches are stacked, [K, B, 2, *shape], before their mean is taken. Gastaldi 2017,
    arXiv:1705.07485, section 2.

    Parameters
    ----------
    name : str
        Name of the layer or block that the branches belong to.
    shape : tuple of int
        Shape of one branch's output for one example.
    axes : str
        The axes of `shape`, as in `Site`.
    first, second : nn.Module
        The branches, functions of (x, noise).
    """

    def __init__(self, name: str, shape: tuple[int, ...], axes: str, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.site = Site(f"{name}.pair", "pair", (2, *shape), f"P{axes}")

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Returns the mean of the branches' outputs for x."""
        # Stacked with channels last, the memory layout of maps.
        pair = torch.stack([branch(x, noise).movedim(2, -1) for branch in (self.first, self.second)], 2).movedim(-1, 3)
        first, second = noise(self.site.name, pair).unbind(2)
        return (first + second) / 2  # keeps the memory layout, unlike `mean`
