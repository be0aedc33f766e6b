"""Models as a user would write them: ordinary modules, without a replica axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Small(nn.Module):
    """Batch norm, torch's own initialisers, noise, a frozen parameter, an unused one, and a tensor made of random numbers."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, hidden: int = 12) -> None:
        super().__init__()
        self.first = nn.Linear(shape[0], hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.second = nn.Linear(hidden, n_classes)
        self.frozen = nn.Parameter(torch.rand(hidden) + 0.5, requires_grad=False)
        self.unused = nn.Parameter(torch.ones(3))
        self.sites = (Site("hidden", "activation", (hidden,), "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = torch.relu(self.norm(self.first(x))) * self.frozen
        logits: Tensor = self.second(noise("hidden", x))
        return logits


class Recurrent(nn.Module):
    """Recurrent noise and a weight site, through the interface of one replica."""

    eats = ("sequence",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        steps, features = shape
        self.cell = nn.RNNCell(features, 8)
        self.weight = nn.Parameter(torch.randn(8, n_classes) / 3)
        self.bias = nn.Parameter(torch.zeros(n_classes))
        self.sites = (
            Site("recurrent", "recurrent", (steps, 8), "TF"),
            Site("head.weight", "weight", (8, n_classes), "IO"),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        act = noise.steps("recurrent")
        state = x.new_zeros(x.shape[0], 8)
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state if act is None else act(state, t))
        return noise.affine("head.weight", state, self.weight, self.bias, lambda z: z)


class Read(Small):
    """The same, and says which of its parameters reads its site, by the name that it has here."""

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, hidden: int = 12) -> None:
        super().__init__(shape, n_classes, hidden=hidden)
        self.sites = (Site("hidden", "activation", (hidden,), "F", reader="second.weight"),)
