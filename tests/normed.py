"""A network of a user's with batch norm of torch's, as `make_spec` names it: `normed.Normed`."""

from __future__ import annotations

from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Normed(nn.Module):
    """No replica axis; its batch norm has a momentum of its own."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.one, self.norm, self.two = (
            nn.Linear(shape[0], 64),
            nn.BatchNorm1d(64, momentum=0.3),
            nn.Linear(64, n_classes),
        )
        self.sites = (Site("middle", "activation", (64,), "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        out: Tensor = self.two(noise("middle", self.norm(self.one(x)).relu()))
        return out
