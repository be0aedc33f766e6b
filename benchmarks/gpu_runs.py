"""The runs that `benchmarks.gpu` trains, and small random data in place of data sets that are not in the checkout."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.specs import spec, table
from dropbench.data.base import Graph, Table
from dropbench.engine import stack
from dropbench.engine.build import build
from dropbench.engine.snapshot import Snapshot, State, snapshot
from dropbench.engine.train import Training
from dropbench.planning.outline import outline
from dropbench.spec import Component, RunSpec

SMALL = ["data.n_train=300", "train.epochs=2"]
MODELS: dict[str, list[str]] = {
    "mlp": ["model=mlp", "model.widths=[64,64]"],
    "cnn": ["model=cnn", "model.channels=[8,16]", "model.head_widths=[32]"],
    "rnn lstm": ["model=rnn", "model.cell=lstm", "model.hidden=32"],
    "rnn gru": ["model=rnn", "model.cell=gru", "model.hidden=32"],
    "rnn vanilla": ["model=rnn", "model.cell=vanilla", "model.hidden=32"],
    "resnet": ["model=resnet", "model.depth=8", "model.width=8"],
    "transformer": ["model=transformer", "model.width=32", "model.patch=2"],
    "autoencoder": ["model=autoencoder", "metric=loss"],
    "gcn": ["model=gcn", "data=cora"],
    "lm": ["model=lm", "model.hidden=24", "data=ptb", "metric=loss", "train.batch_size=8"],
    "words": ["model=transformer", "model.width=32", "data=mr"],
}
"""The overrides for a small run of each model."""
VARIANTS: dict[str, list[str]] = {
    "mlp": [
        *(
            "none",
            "standard",
            "gaussian",
            "alpha model.activation=selu",
            "dropconnect",
            "dropconnect dropout.per=example",
        ),
        *("kingma", "standout", "concrete", "classic", "unscaled"),
    ],
    "cnn": ["standard", "spatial", "dropblock", "none model.batch_norm=before_activation"],
    "rnn lstm": ["none", "recurrent", "zoneout", "weight_drop", "locked"],
    "rnn gru": ["recurrent", "recurrent dropout.where=candidate", "zoneout"],
    "rnn vanilla": ["recurrent", "standard"],
    "resnet": [
        *("stochastic_depth", "stochastic_depth dropout.per=batch", "shake_drop", "dropblock"),
        "shake_shake model.two_branches=true",
    ],
    "transformer": [
        *("none", "attention", "standard", "stochastic_depth", "patch_dropout"),
        "layer_drop model.branches=layer",
    ],
    "autoencoder": ["unscaled dropout.placement=input", "standard"],
    "gcn": ["drop_edge", "node_features", "standard", "none model.adjacency=dense"],
    "lm": ["standard", "embedding", "weight_drop"],
    "words": ["embedding", "attention"],
}
"""Variants for each model, with further overrides; every variant occurs at least once."""


def made(model: str, typed: str = "none", *more: str) -> RunSpec:
    """Return the run of a model of `MODELS` under a variant with its settings, as in `VARIANTS`, and further overrides."""
    variant, *settings = typed.split()
    rate = [] if variant == "none" else ["dropout.rate=0.3"]
    data = [] if any(told.startswith("data=") for told in MODELS[model]) else ["data=digits"]
    small = SMALL if data else SMALL[1:]
    return spec([*MODELS[model], *data, f"dropout={variant}", *rate, *settings, *small, *more])


def seeded(one: RunSpec, seeds: Sequence[int], rates: Sequence[float] | None = None) -> list[RunSpec]:
    """Return the same run under each seed; if rates are given, they are assigned cyclically."""
    runs = [one.model_copy(update={"seed": seed}) for seed in seeds]
    if rates is None:
        return runs
    each = [one.dropout.model_copy(update={"rate": rates[k % len(rates)]}) for k in range(len(runs))]
    return [run.model_copy(update={"dropout": dropout}) for run, dropout in zip(runs, each, strict=True)]


def data_of(one: RunSpec) -> Table:
    """Return digits, or random data in place of a data set that would have to be downloaded."""
    return {"cora": _graph, "ptb": _text, "mr": _sentences}.get(one.data.name, lambda: table("data=digits"))()


def cohort(runs: Sequence[RunSpec], device: torch.device, data: Table | None = None, **more: Any) -> Training:
    """Build these runs, ready to train together on the device."""
    data = data_of(runs[0]) if data is None else data
    return build(runs, outline(runs[0].model, data), data, device, **more)


def ordinary(one: RunSpec) -> RunSpec:
    """Return the run with a user's ordinary module as its model."""
    return one.model_copy(
        update={
            "model": Component.model_validate({"name": "perceptron", "_target_": "benchmarks.user_module.Perceptron"})
        }
    )


def place(training: Training, run: RunSpec) -> int:
    """Return the index of the run's replica in the stack."""
    return [s.run_id for s in training.replicas.specs].index(run.run_id)


def steps(training: Training, n: int) -> None:
    """Train n steps, over as many epochs as needed."""
    while n > 0:
        stack.begin(training.replicas.model)
        for batch in training.replicas.batches.epoch():
            training.train_step(batch, 1.0)
            n -= 1
            if n == 0:
                return


class _Broken(Exception):
    pass


def broken_off(training: Training, epoch: int, step: int) -> list[State]:
    """Train until the given epoch, counted from 1, and step; return the states of the replicas, on the CPU."""

    def after_update() -> None:
        if (training.underway.epoch, training.underway.step) == (epoch, step):
            raise _Broken

    with suppress(_Broken):
        for _ in training.run(after_update=after_update):
            pass
    taken = snapshot(training)
    here = Snapshot(taken.epoch, taken.step, {n: t.clone().cpu() for n, t in taken.tensors.items()}, taken.runs)
    return [here.state(run) for run in here.runs]


def weights(training: Training, k: int) -> dict[str, Tensor]:
    """Return the weights and buffers of one replica, on the CPU."""
    return {name: t[k].detach().double().cpu() for name, t in stack.state(training.replicas.model).items()}


def farthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Return the largest difference between two replicas' tensors, each relative to the tensor's largest absolute value."""
    return max(float((a[n] - b[n]).abs().max()) / max(float(a[n].abs().max()), 1e-3) for n in a)


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Return the norm of the difference between all weights of two replicas, relative to the norm of the weights."""
    return float((sum((a[n] - b[n]).square().sum() for n in a) / sum(a[n].square().sum() for n in a)) ** 0.5)


@cache
def _graph() -> Table:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 150, generator=generator) * (torch.rand(200, 150, generator=generator) < 0.05)
    every = torch.combinations(torch.arange(200))
    edges = every[torch.randperm(len(every), generator=generator)[:500].sort().values].T.contiguous()
    return Table("graph", torch.arange(200)[:, None], torch.arange(200) % 3, "N", 3, graph=Graph(x, edges))


@cache
def _text() -> Table:
    x = torch.randint(50, (2400,), generator=torch.Generator().manual_seed(0))
    val, test = torch.arange(1600, 2000), torch.arange(2000, 2400)
    return Table("text", x[:, None], x.roll(-1), "W", 50, val=val, test=test, vocabulary=50, window=10)


@cache
def _sentences() -> Table:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 40, (300, 12), generator=generator)
    x[torch.arange(12) < torch.randint(12, (300, 1), generator=generator)] = 0
    return Table("sentences", x, torch.arange(300) % 3, "T", 3, vocabulary=40)


@cache
def images(n: int = 10_000) -> Table:
    """Return random images of MNIST's size whose classes can be distinguished."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 10
    x = 0.5 * torch.rand(10, 1, 28, 28, generator=generator)[y] + 0.5 * torch.rand(n, 1, 28, 28, generator=generator)
    return Table("images", x, y, "CHW", 10)


def with_train(one: RunSpec, **settings: Any) -> RunSpec:
    """Return the run with other settings of training."""
    return one.model_copy(update={"train": one.train.model_copy(update=settings)})
