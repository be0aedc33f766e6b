"""Modules of a user's that draw random numbers of their own, one for each way to do so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.sites import Site
from dropbench.sites.noise import Noise

WIDTH = 8
OF_THE_FILE = np.random.default_rng(0)


def _recurrent(layer: nn.Module, h: Tensor) -> Tensor:
    states: Tensor = layer(h.view(len(h), 2, -1))[0]
    return states.flatten(1)


def _attended(layer: nn.Module, h: Tensor) -> Tensor:
    steps = h[:, None]
    out: Tensor = layer(steps, steps, steps)[0][:, 0]
    return out


def _pooled(layer: nn.Module, h: Tensor) -> Tensor:
    out: Tensor = layer(h.view(-1, 1, 2, 4).repeat(1, 1, 2, 2)).flatten(1)
    return out


def _called(layer: nn.Module, h: Tensor) -> Tensor:
    out: Tensor = layer(h)
    return out


LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[[Any, Tensor], Tensor]]] = {
    "Dropout": (lambda: nn.Dropout(0.5), _called),
    "Dropout1d": (lambda: nn.Dropout1d(0.5), _called),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), lambda layer, h: _called(layer, h[..., None, None])[..., 0, 0]),
    "Dropout3d": (lambda: nn.Dropout3d(0.5), lambda layer, h: _called(layer, h[..., None, None, None])[..., 0, 0, 0]),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), _called),
    "FeatureAlphaDropout": (lambda: nn.FeatureAlphaDropout(0.5), _called),
    "RReLU": (nn.RReLU, _called),
    "RNN": (lambda: nn.RNN(4, 4, 2, dropout=0.5, batch_first=True), _recurrent),
    "GRU": (lambda: nn.GRU(4, 4, 2, dropout=0.5, batch_first=True), _recurrent),
    "LSTM": (lambda: nn.LSTM(4, 4, 2, dropout=0.5, batch_first=True), _recurrent),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(WIDTH, 2, dropout=0.5, batch_first=True), _attended),
    "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(1, output_size=(2, 4)), _pooled),
}
SILENT: dict[str, tuple[Callable[[], nn.Module], Callable[[Any, Tensor], Tensor]]] = {
    "Dropout": (lambda: nn.Dropout(0.0), _called),
    "LSTM": (lambda: nn.LSTM(4, 4, 2, batch_first=True), _recurrent),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(WIDTH, 2, batch_first=True), _attended),
    "SpectralNorm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)), _called),
    "BatchNorm": (lambda: nn.BatchNorm1d(WIDTH), _called),
}
CALLS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "F.dropout": lambda m, h: F.dropout(h, training=m.training),
    "attention": lambda m, h: F.scaled_dot_product_attention(
        h[:, None], h[:, None], h[:, None], dropout_p=0.5 if m.training else 0.0
    )[:, 0],
    "rand": lambda m, h: h * torch.rand(1) if m.training else h,
    "bernoulli_": lambda m, h: h * torch.empty_like(h).bernoulli_(0.5) if m.training else h,
    "gumbel": lambda m, h: F.gumbel_softmax(h) if m.training else h.softmax(1),
    "numpy": lambda m, h: h * float(np.random.rand()) if m.training else h,
    "random": lambda m, h: h * random.random() if m.training else h,
    "torch generator": lambda m, h: h * torch.rand(1, generator=m.generator) if m.training else h,
    "numpy generator": lambda m, h: h * float(m.generators["numpy"].random()) if m.training else h,
    "random state": lambda m, h: h * float(m.generators["state"].rand()) if m.training else h,
    "random generator": lambda m, h: h * m.generators["random"].random() if m.training else h,
    "of the file": lambda m, h: h * float(OF_THE_FILE.random()) if m.training else h,
}
LATE: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "F.dropout": lambda m, h: F.dropout(h),
    "rand": lambda m, h: h * torch.rand(1),
    "numpy": lambda m, h: h * float(np.random.rand()),
}
"""In evaluation too."""
OUT_OF_REACH: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "fresh": lambda m, h: h * float(np.random.default_rng().random()),
    "system": lambda m, h: h * random.SystemRandom().random(),
}


class Noisy(nn.Module):
    """A perceptron with something in the middle; `rate_of_sites` aside, its noise is its own."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, group: str = "LAYERS", what: str = "Dropout") -> None:
        super().__init__()
        self.into, self.head = nn.Linear(shape[0], WIDTH), nn.Linear(WIDTH, n_classes)
        made: Any = globals()[group][what]
        self.middle, self.call = (made[0](), made[1]) if isinstance(made, tuple) else (None, made)
        self.generator = torch.Generator()
        self.generators = {
            "numpy": np.random.default_rng(0),
            "state": np.random.RandomState(0),
            "random": random.Random(0),
        }
        self.sites = (Site("hidden", "activation", (WIDTH,), "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        h = torch.relu(self.into(x))
        h = self.call(self if self.middle is None else self.middle, h)
        logits: Tensor = self.head(noise("hidden", h))
        return logits


class Stacked(nn.Module):
    """With an axis of replicas, and one mask over all of them: what a replica draws would depend on the others."""

    stacked = True
    eats = ("flat",)

    def __init__(self, replicas: int, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(replicas, shape[0], n_classes))
        self.sites = (Site("input", "activation", shape, "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return F.dropout(noise("input", x), training=self.training) @ self.weight


class StartedStack(nn.Module):
    """With an axis of replicas, whose first weights come from torch's own generator."""

    stacked = True
    eats = ("flat",)

    def __init__(self, replicas: int, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(replicas, shape[0], n_classes) / 10)
        self.sites = (Site("input", "activation", shape, "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return noise("input", x) @ self.weight


class Started(nn.Module):
    """Its first weights are from generators other than torch's."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(shape[0], n_classes)
        nn.init.constant_(self.head.weight, float(np.random.rand()) * random.random())
        self.sites = (Site("input", "activation", shape, "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        logits: Tensor = self.head(noise("input", x))
        return logits
