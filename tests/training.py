"""Specs of small runs, small tables, and helpers that train runs and compare them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from noise_kit import VARIANTS
from torch import Tensor

from dropbench.data.base import Table
from dropbench.engine.build import build
from dropbench.engine.evaluate import evaluate
from dropbench.engine.example_batches import split_for
from dropbench.engine.replicas import Replicas
from dropbench.engine.result import RunResult
from dropbench.engine.snapshot import Snapshot, State, resume, snapshot
from dropbench.engine.train import Training
from dropbench.planning.outline import outline
from dropbench.planning.sources import load
from dropbench.settings import Settings
from dropbench.spec import Component, DataSpec, DropoutSpec, MetricSpec, RunSpec, TrainSpec

CPU = torch.device("cpu")

_MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [24, 16]},
    "realmlp": {"widths": [24, 16], "embed_size": 3, "frequencies": 5},
    "cnn": {"channels": [4, 6], "head_widths": [12]},
    "rnn": {"cell": "lstm", "hidden": 12},
    "autoencoder": {"widths": [24, 12]},
    "lm": {"hidden": 12, "layers": 2},
    "resnet": {"width": 4},
    "transformer": {"width": 12, "heads": 2, "feedforward": 10, "patch": 3},
}
_CLASSES = {
    "mlp": "MLP",
    "realmlp": "RealMLP",
    "cnn": "CNN",
    "rnn": "RNN",
    "lm": "LanguageModel",
    "resnet": "ResNet",
    "transformer": "Transformer",
}
_CLASSES |= {"autoencoder": "Autoencoder"}
_TRAIN: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": "adam",
    "lr": 1e-2,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_epochs": 0,
    "step_every": 10,
    "step_factor": 0.1,
    "label_smoothing": 0.0,
    "max_norm": None,
    "grad_clip": None,
    "patience": None,
    "monitor": "val_loss",
    "restore_best": True,
    "eval_every": 1,
    "precision": "fp32",
    "augment": {},
}
_DIRECTIONS = {"loss": "lower", "accuracy": "higher", "rmse": "lower", "gaussian_nll": "lower"}
_METRICS = {
    m: {"name": m, "_target_": f"dropbench.metrics.{m}.{m}", "direction": better} for m, better in _DIRECTIONS.items()
}


def make_spec(
    model: str = "mlp",
    *,
    options: Mapping[str, Any] | None = None,
    variant: str = "standard",
    rate: float = 0.0,
    rates: Mapping[str, float] | None = None,
    placement: Sequence[str] | None = None,
    data: str = "digits",
    split: Mapping[str, Any] | None = None,
    seed: int = 0,
    metrics: Sequence[str] = ("loss", "accuracy"),
    **train: Any,
) -> RunSpec:
    """Return the spec of a small run.

    `model` is one of dropbench's or an import path; `options` are the model's, `split` the keys of the data set.
    """
    ours = model in _MODELS
    target = f"dropbench.models.{model}.{_CLASSES[model]}" if ours else model
    return RunSpec(
        model=Component(name=model, _target_=target, options={**_MODELS.get(model, {}), **(options or {})}),
        dropout=DropoutSpec(
            name=variant,
            _target_=f"{type(VARIANTS[variant]).__module__}.{type(VARIANTS[variant]).__name__}",
            rate=rate,
            rates=dict(rates or {}),
            placement=None if placement is None else tuple(placement),
        ),
        data=DataSpec(name=data, _target_=f"dropbench.data.{data}.load", **{"n_train": 150, **(split or {})}),
        train=TrainSpec(**{**_TRAIN, **train}),
        metric={name: MetricSpec(**_METRICS[name]) for name in metrics},
        seed=seed,
    )


def table_of(spec: RunSpec) -> Table:
    settings = Settings(device="cpu", results=".", execute={"workers": 1, "threads": 1, "cohort": "auto"})
    return load(spec.data, settings)


def cohort_of(
    *specs: RunSpec,
    table: Table | None = None,
    foreign: Mapping[str, Tensor] | None = None,
    device: torch.device = CPU,
) -> Training:
    table = table_of(specs[0]) if table is None else table
    return build(specs, outline(specs[0].model, table, specs[0].train.says_variance), table, device, foreign)


class Trained:
    """A cohort trained to its end: each run's result, and the weights and buffers that it was tested with, by run id."""

    def __init__(
        self,
        *specs: RunSpec,
        table: Table | None = None,
        foreign: Mapping[str, Tensor] | None = None,
        states: Mapping[str, State] | None = None,
    ) -> None:
        self.cohort = cohort_of(*specs, table=table, foreign=foreign)
        if states:
            resume(self.cohort, [states[s.run_id] for s in specs])
        self.results: dict[str, RunResult] = {}
        self.weights: dict[str, dict[str, Tensor]] = {}
        self.tests = 0
        self.tested: list[dict[str, Tensor]] = []
        self.cohort_specs = list(specs)

        def spy(replicas: Replicas, part: str, listen: Any = None) -> dict[str, Tensor]:
            if part == "test":
                self.tests += 1
                model = replicas.model
                tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
                # A model with learned rates is wrapped in a module that has the rates.
                tensors = {name.removeprefix("model."): t for name, t in tensors.items()}
                leaving = len(next(iter(tensors.values())))
                self.tested.extend({name: t[k].detach().clone() for name, t in tensors.items()} for k in range(leaving))
            return evaluate(replicas, part, listen)

        with patch("dropbench.engine.scores.evaluate", spy):
            for result in self.cohort.run():
                self.results[result.spec.run_id] = result
                self.weights[result.spec.run_id] = self.tested[len(self.results) - 1]

    def __getitem__(self, spec: RunSpec) -> RunResult:
        return self.results[spec.run_id]


class _HereItEnds(Exception):
    pass


def states_at(epoch: int, step: int, *specs: RunSpec, table: Table | None = None) -> dict[str, State]:
    """Interrupt a cohort at a step of an epoch; return the states by run id, after a round trip through the file format."""
    training = cohort_of(*specs, table=table)

    def end() -> None:
        if (training.underway.epoch, training.underway.step) == (epoch, step):
            raise _HereItEnds

    with suppress(_HereItEnds):
        list(training.run(after_update=end))
    assert (training.underway.epoch, training.underway.step) == (epoch, step)
    taken = snapshot(training)
    tensors = safetensors.torch.load(
        safetensors.torch.save({name: t.clone().contiguous() for name, t in taken.tensors.items()})
    )
    stored = Snapshot(taken.epoch, taken.step, tensors, json.loads(json.dumps(taken.runs)))
    return {run: stored.state(run) for run in stored.runs}


def weights_after_each_update(spec: RunSpec) -> list[dict[str, Tensor]]:
    """Train a run and return its weights, by name, after each update."""
    training = cohort_of(spec)
    seen: list[dict[str, Tensor]] = []

    def see() -> None:
        seen.append({name: p.detach()[0].clone() for name, p in training.replicas.model.named_parameters()})

    list(training.run(after_update=see))
    return seen


def numbers(result: RunResult) -> dict[str, Any]:
    """Return everything that a run reports, except its times, its memory and the size of its cohort."""
    history = [{k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")} for row in result.history]
    return {
        "status": result.status,
        "reason": result.reason,
        "metrics": result.metrics,
        "arrays": result.arrays,
        "history": history,
        "chosen": result.chosen_epoch,
        "rates": result.rates,
        "parameters": result.parameters,
    }


def differences(spec: RunSpec, one: Trained, other: Trained) -> list[str]:
    """Return all differences, to the last bit, of a run between two cohorts; empty if there are none."""
    a, b = numbers(one[spec]), numbers(other[spec])
    # Compared as text, in which NaN equals itself, and every other float has a unique shortest form.
    found = [key for key in a if key != "history" and repr(a[key]) != repr(b[key])]
    for x, y in zip(a["history"], b["history"], strict=True):
        assert list(x) == list(y)
        found += [f"epoch {x['epoch']} {key}: {x[key]!r} {y[key]!r}" for key in x if repr(x[key]) != repr(y[key])]
    for name, tensor in one.weights[spec.run_id].items():
        same = torch.equal(tensor.nan_to_num(7e7), other.weights[spec.run_id][name].nan_to_num(7e7))
        found += [] if same else [f"weights {name}"]
    return found


def assert_identical(run: RunSpec, *cohorts: Sequence[RunSpec], table: Table | None = None) -> None:
    """Assert that a run has bit-identical numbers and weights alone and together with each of these groups of runs."""
    alone = Trained(run, table=table)
    for others in cohorts:
        found = differences(run, alone, Trained(run, *others, table=table))
        assert not found, f"beside {len(others)}: {len(found)} differences, {found[:5]}"


def arms(model: str, variant: str, run: dict[str, Any], **common: Any) -> tuple[RunSpec, list[list[RunSpec]]]:
    """Return a run, and neighbours for stacks of 2, 3 and 7, in which it is first, in the middle or last (Cohort's order)."""

    def arm(seed: int, rate: float, lr: float, decay: float = 0.0, kind: str = variant) -> RunSpec:
        return make_spec(model, variant=kind, rate=rate, seed=seed, lr=lr, weight_decay=decay, **common)

    own = make_spec(
        model, variant=variant, **{"rate": 0.5, "seed": 3, "lr": 0.01, "weight_decay": 1e-3, **run}, **common
    )
    same_seed, none = arm(3, 0.2, 0.003), arm(3, 0.0, 0.01, 1e-3, "none")
    before = [arm(4, 0.5, 0.003), arm(0, 0.7, 0.005, 1e-2)]
    after = [arm(5, 0.3, 0.05, 1e-3), arm(1, 0.1, 0.02)]
    return own, [[none], before, [same_seed, after[0]], after, [same_seed, none, *before, *after]]


def made_table(n: int = 120, shape: tuple[int, ...] = (5,), classes: int = 3, axes: str = "F", seed: int = 1) -> Table:
    """Return random examples whose classes can be distinguished."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = generator.normal(size=(classes, *shape))
    x = centres[y] + generator.normal(size=(n, *shape))
    return Table("made", torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y), axes, classes)


def mlp_scores(weights: dict[str, Tensor], spec: RunSpec, part: str) -> dict[str, float]:
    """Compute loss and accuracy of a ReLU MLP directly in float64 from a run's weights, without noise, stack and chunks."""
    table = table_of(spec)
    split = split_for(table, spec.data, spec.seed)
    flat = table.x.double().flatten(1)
    pixels = flat[split.train]
    x = (flat[getattr(split, part)] - pixels.mean()) / pixels.std(correction=0)
    y = split.labels if part == "train" else table.y[getattr(split, part)]
    layers = [*sorted({name.rpartition(".")[0] for name in weights if name.startswith("hidden")}), "head"]
    for layer in layers:
        x = x @ weights[f"{layer}.weight"].double() + weights[f"{layer}.bias"].double()
        x = x if layer == "head" else x.relu()
    return {"loss": float(F.cross_entropy(x, y)), "accuracy": float((x.argmax(1) == y).double().mean())}
