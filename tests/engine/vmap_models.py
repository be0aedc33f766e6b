"""Ordinary modules that `vmap` stacks, one for each way in which they meet noise, and ones that it does not."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from user_models import Read

from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Digits(nn.Module):
    """A perceptron."""

    eats = ("flat",)
    act: Any = staticmethod(torch.relu)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, widths: tuple[int, ...] = (24, 17)) -> None:
        super().__init__()
        sizes = (shape[0], *widths)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, widths, strict=False))
        self.head = nn.Linear(widths[-1], n_classes)
        self.sites = (
            Site("input", "activation", shape, "F"),
            *(Site(f"hidden.{i}", "activation", (w,), "F") for i, w in enumerate(widths)),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = noise("input", x)
        for i, layer in enumerate(self.hidden):
            x = noise(f"hidden.{i}", self.act(layer(x)))
        logits: Tensor = self.head(x)
        return logits


class Tanh(Digits):
    act = staticmethod(torch.tanh)


class Gelu(Digits):
    act = staticmethod(F.gelu)


class Sigmoid(Digits):
    act = staticmethod(torch.sigmoid)


class Silu(Digits):
    act = staticmethod(F.silu)


class Normed(Read):
    """Batch norm, a counter, frozen and unused parameters; with a width of whole registers it stacks."""

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int = 32) -> None:
        super().__init__(shape, n_classes, hidden=width)


class Steps(nn.Module):
    """A recurrent layer by hand: noise over time, on transitions and over weights, and a parameter after the last product."""

    eats = ("sequence",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int = 16) -> None:
        super().__init__()
        steps, features = shape
        self.into, self.over = nn.Linear(features, width), nn.Linear(width, width, bias=False)
        self.scale = nn.Parameter(torch.rand(width) + 0.5)
        self.weight = nn.Parameter(torch.randn(width, width) / 3)
        self.bias = nn.Parameter(torch.zeros(width))
        self.head = nn.Linear(width, n_classes)
        self.sites = (
            Site("state", "recurrent", (steps, width), "TF"),
            Site("update", "candidate", (steps, width), "TF"),
            Site("next", "transition", (steps, width), "TF"),
            Site("over", "recurrent_weight", (width, width), "IO"),
            Site("dense", "weight", (width, width), "IO"),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        act, update, mix = noise.steps("state"), noise.steps("update"), noise.transition("next")
        over = noise("over", self.over.weight.T)
        state = x.new_zeros(x.shape[0], over.shape[0])
        for t in range(x.shape[1]):
            held = state if act is None else act(state, t)
            new = torch.tanh(self.into(x[:, t]) + held @ over)
            new = new if update is None else update(new, t)
            state = new if mix is None else mix(state, new, t)
        dense = noise.affine("dense", state, self.weight, self.bias, lambda z: torch.relu(z * self.scale))
        logits: Tensor = self.head(dense)
        return logits


class Residual(nn.Module):
    """Branches, with something beside x."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int = 16) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(shape[0], width), nn.Linear(width, n_classes)
        self.branches = nn.ModuleList(Branch(width) for _ in range(2))
        self.sites = tuple(Site(f"branch.{i}", "branch", (width,), "F", depth=(i + 1) / 2) for i in range(2))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        scale = x[:, :1]
        x = torch.relu(self.into(x))
        for i, branch in enumerate(self.branches):
            x = x + noise.branch(f"branch.{i}", branch, x, scale)
        logits: Tensor = self.head(x)
        return logits


class Branch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Tensor, noise: Noise, scale: Tensor) -> Tensor:
        return torch.relu(self.layer(x)) * scale


class Words(nn.Module):
    """A mean of embedded words, and another path where there is no noise."""

    eats = ("tokens",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int = 8) -> None:
        super().__init__()
        self.table = nn.Embedding(shape[1], width)
        self.head = nn.Linear(width, n_classes)
        self.sites = (Site("words", "token", (shape[1], width), "VF"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        rows = noise.embed("words", x, self.table.weight) if noise.acts("words") else self.table(x)
        logits: Tensor = self.head(rows.mean(1))
        return logits


class Refused(nn.Module):
    """What `refused` says that makes it one: see the methods."""

    eats = ("sequence",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, refused: str = "gru") -> None:
        super().__init__()
        width = 12 if refused in ("narrow", "sigmoid", "silu") else 16
        self.into, self.head = nn.Linear(shape[1], width), nn.Linear(width, n_classes)
        self.inner: nn.Module = {
            "gru": nn.GRU(width, width, batch_first=True),
            "lstm": nn.LSTM(width, width, batch_first=True),
            "cell": nn.GRUCell(width, width),
            "dropout": nn.Dropout(0.5),
            "narrow": nn.BatchNorm1d(width),
            "average": nn.BatchNorm1d(width, momentum=None),
            "convolution": nn.Conv1d(width, width, 3, padding=1),
        }.get(refused, nn.Identity())
        self.own = torch.randn(width)  # no buffer: `vmap` would take one replica's for all
        self.refused = refused
        self.sites = (Site("hidden", "activation", (width,), "F"),)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        h = getattr(self, f"_{self.refused}")(self.into(x))
        logits: Tensor = self.head(noise("hidden", h))
        return logits

    def _gru(self, h: Tensor) -> Tensor:
        last: Tensor = self.inner(h)[0][:, -1]
        return last

    _lstm = _gru

    def _dropout(self, h: Tensor) -> Tensor:
        out: Tensor = self.inner(h[:, -1])
        return out

    _cell = _narrow = _average = _dropout

    def _convolution(self, h: Tensor) -> Tensor:
        out: Tensor = self.inner(h.transpose(1, 2)).mean(2)
        return out

    def _own(self, h: Tensor) -> Tensor:
        return h[:, -1] * self.own

    def _flow(self, h: Tensor) -> Tensor:
        return h[:, -1] if float(h.detach().mean()) > -9 else h[:, 0]

    def _evaluation(self, h: Tensor) -> Tensor:
        return h[:, -1] if self.training else self._flow(h)

    def _place(self, h: Tensor) -> Tensor:
        mask = torch.ones(h.shape[0], h.shape[2])
        mask.mul_(h.detach()[:, -1])
        return h[:, -1] * mask

    def _sigmoid(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h[:, -1])

    def _silu(self, h: Tensor) -> Tensor:
        return F.silu(h[:, -1])

    def _broken(self, h: Tensor) -> Tensor:
        raise KeyError("broken by itself")


class Attention(nn.Module):
    """One head, over x, x reversed and x doubled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.stack([x, x.flip(1), 2 * x], 1)
        weights = torch.softmax(self.query(steps) @ self.key(steps).transpose(1, 2) / x.shape[1] ** 0.5, -1)
        return (weights @ self.value(steps)).mean(1)


LAYERS: dict[str, Any] = {
    "linear": lambda width: nn.Linear(width, width),
    "relu": lambda width: nn.ReLU(),
    "gelu": lambda width: nn.GELU(),
    "silu": lambda width: nn.SiLU(),
    "elu": lambda width: nn.ELU(),
    "hardswish": lambda width: nn.Hardswish(),
    "prelu": lambda width: nn.PReLU(),
    "softmax": lambda width: nn.Softmax(1),
    "batch_norm": nn.BatchNorm1d,
    "layer_norm": nn.LayerNorm,
    "group_norm": lambda width: nn.GroupNorm(1, width),
    "rms_norm": nn.RMSNorm,
    "attention": Attention,
}


class Layers(nn.Module):
    """Any of these, one after the other, with noise after each."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, layers: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(shape[0], width), nn.Linear(width, n_classes)
        self.layers = nn.ModuleList(LAYERS[name](width) for name in layers)
        self.sites = tuple(Site(f"layer.{i}", "activation", (width,), "F") for i in range(len(layers)))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = self.into(x)
        for i, layer in enumerate(self.layers):
            x = noise(f"layer.{i}", layer(x))
        logits: Tensor = self.head(x)
        return logits
