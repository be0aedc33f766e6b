"""A user's network with torch's batch norm; `make_spec` refers to it as `normed.Normed`."""

from __future__ import annotations

from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Normed(nn.Module):
    """A network without a replica axis, whose batch norm has a non-default momentum."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, width: int = 64) -> None:
        super().__init__()
        self.one, self.norm, self.two = (
            nn.Linear(shape[0], width),
            nn.BatchNorm1d(width, momentum=0.3),
            nn.Linear(width, n_classes),
        )
        self.sites = (Site("middle", "activation", (width,), "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        out: Tensor = self.two(noise("middle", self.norm(self.one(x)).relu()))
        return out
