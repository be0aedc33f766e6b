"""A stack of one at rate 0 is torch.nn and torch.optim, step by step; so is each replica of a larger stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from training import cohort_of, make_spec

STEPS = 20
OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"momentum": 0.0}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}


class Cells(nn.Module):
    """torch's recurrent layers and a read-out of the last state."""

    def __init__(self, cell: str, features: int, hidden: int, layers: int) -> None:
        super().__init__()
        cls = {"vanilla": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.layers = cls(features, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layers(x)
        out: Tensor = self.head(states[:, -1])
        return out


class ChannelsLast(nn.Module):
    """The order in which our dense layers read maps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, -1)


def plain(model: str) -> nn.Module:
    """The architecture of the spec of the same name, in torch's own layers."""
    if model == "mlp":
        return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10))
    if model == "mlp_bn":
        return nn.Sequential(
            nn.Linear(64, 24), nn.BatchNorm1d(24), nn.Tanh(),
            nn.Linear(24, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 10),
        )  # fmt: skip
    if model == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            ChannelsLast(), nn.Flatten(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 10),
        )  # fmt: skip
    return Cells(model, 8, 12, 2)


SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {}),
    "mlp_bn": ("mlp", {"batch_norm": "before_activation", "activation": "tanh"}),
    "cnn": ("cnn", {}),
    **{cell: ("rnn", {"cell": cell, "layers": 2}) for cell in ("vanilla", "lstm", "gru")},
}


def in_torchs_order(stacked: nn.Module, k: int) -> list[Tensor]:
    """Our parameters of one replica, turned and ordered as `plain(...).parameters()`."""
    turned = []
    for name, p in stacked.named_parameters():
        one = p.detach()[k]
        if (name.endswith(".weight") and one.ndim == 2) or name.endswith(("weight_input", "weight_hidden")):
            one = one.T
        elif name.endswith(("bias", "bias_input", "bias_hidden")):
            one = one.reshape(-1)
        turned.append(one)
    return turned


def follow(model: str, optimizer: str, replicas: int, decay: float) -> None:
    name, options = SPECS[model]
    cls, settings = OPTIMIZERS[optimizer]
    lr = 0.05 if cls is torch.optim.SGD else 0.003
    lrs = [lr / (1 + k) for k in range(replicas)]
    specs = [
        make_spec(
            name,
            options=options,
            optimizer="sgd" if cls is torch.optim.SGD else optimizer,
            **settings,
            lr=lrs[k],
            weight_decay=decay,
            seed=k,
            batch_size=33,
        )
        for k in range(replicas)
    ]
    cohort = cohort_of(*specs)
    references = []
    for k, spec in enumerate(cohort.replicas.specs):
        one = plain(model)
        with torch.no_grad():
            for own, value in zip(one.parameters(), in_torchs_order(cohort.replicas.model, k), strict=True):
                own.copy_(value)
        extra = {"foreach": False}
        references.append((one, cls(one.parameters(), lr=spec.train.lr, weight_decay=decay, **settings, **extra)))
    started = {name: p.detach().clone() for name, p in cohort.replicas.model.named_parameters() if "weight" in name}
    steps = 0
    while steps < STEPS:
        for batch in cohort.replicas.batches.epoch():
            losses, _ = cohort.train_step(batch, 1.0)
            for k, (one, updater) in enumerate(references):
                loss = F.cross_entropy(one(batch.x[k]), batch.y[k])
                updater.zero_grad()
                loss.backward()
                updater.step()
                torch.testing.assert_close(losses[k], loss.detach(), rtol=1e-4, atol=1e-5)
            steps += 1
            if steps == STEPS:
                break
    now = dict(cohort.replicas.model.named_parameters())
    moved = [float((now[name] - before).detach().abs().max()) for name, before in started.items()]
    assert min(moved) > 1e-3  # it learned
    for k, (one, _) in enumerate(references):
        for expected, value in zip(one.parameters(), in_torchs_order(cohort.replicas.model, k), strict=True):
            # Sums of up to 64 terms round in another order, to some 1e-7; after 20 steps the largest difference seen is 2e-7.
            torch.testing.assert_close(value, expected.detach(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", ["mlp", "cnn", "vanilla", "lstm", "gru"])
def test_a_stack_of_one_follows_torch(model: str, optimizer: str) -> None:
    follow(model, optimizer, 1, 0.01)


@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm"])
def test_without_weight_decay(model: str) -> None:
    follow(model, "adamw", 1, 0.0)


@pytest.mark.parametrize("model", ["mlp", "cnn", "gru"])
def test_every_replica_of_a_stack_follows_torch(model: str) -> None:
    follow(model, "momentum", 3, 0.01)


def test_batch_norm_follows_torch() -> None:
    """With sgd: biases before a batch norm have no gradient but rounding, which Adam would blow up to full steps."""
    follow("mlp_bn", "momentum", 1, 0.01)
