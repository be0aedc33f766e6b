"""Networks that predict a number: as an ordinary loop of PyTorch's trains them, and the same bits in any cohort."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from own_tables import loaded, mixed, priced
from torch import Tensor, nn
from training import Trained, arms, cohort_of, differences, make_spec, states_at

from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.engine import objective, regression
from dropbench.engine.example_batches import split_for
from dropbench.engine.target_scale import TargetScale
from dropbench.spec import RunSpec

NUMBERS: dict[str, Any] = {"split": {"n_train": None}, "metrics": ["loss", "rmse"], "batch_size": 16}
LOSSES: dict[str, dict[str, Any]] = {
    "mse": {},
    "huber": {"loss": "huber"},
    "learned": {"loss": "gaussian", "metrics": ["loss", "rmse", "gaussian_nll"]},
    "given": {"loss": "gaussian", "noise": 7.0, "metrics": ["loss", "rmse", "gaussian_nll"]},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Numbers to predict, of columns with gaps: every seed has inputs of its own."""
    return priced(tmp_path_factory.mktemp("table"), drop=("who", "much"))


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return priced(tmp_path_factory.mktemp("weighed"), drop=("who",), weight="much")


def ordinary(kind: str, out: Tensor, z: Tensor, noise: float) -> Tensor:
    """The loss as torch has it; noise is of the standardised target."""
    if kind == "mse":
        return F.mse_loss(out[:, 0], z)
    if kind == "huber":
        return nn.HuberLoss(delta=1)(out[:, 0], z)
    variance = F.softplus(out[:, 1]) + 1e-6 if kind == "learned" else torch.full_like(z, noise**2)
    return nn.GaussianNLLLoss()(out[:, 0], z, variance)


@pytest.mark.parametrize("kind", LOSSES)
def test_an_ordinary_loop_has_the_same_weights(kind: str, table: Table) -> None:
    specs = [make_spec(seed=seed, lr=0.003, rate=0.0, **{**NUMBERS, **LOSSES[kind]}) for seed in (3, 4)]
    cohort = cohort_of(*specs, table=table)
    model = cohort.replicas.model
    width, outputs = len(table.columns), 2 if kind == "learned" else 1
    loops, scales = [], []
    for k, spec in enumerate(cohort.replicas.specs):
        one = nn.Sequential(nn.Linear(width, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, outputs))
        with torch.no_grad():
            for own, (name, p) in zip(one.parameters(), model.named_parameters(), strict=True):
                own.copy_(p[k].T if name.endswith("weight") else p[k].reshape(-1))
        loops.append((one, torch.optim.Adam(one.parameters(), lr=0.003)))
        y = table.y[split_for(table, spec.data, spec.seed).train].double()
        scales.append((y.mean(), y.std(correction=0)))
    for _ in range(3):
        for batch in cohort.replicas.batches.epoch():
            told, _ = cohort.train_step(batch, 1.0)
            for k, (one, updater) in enumerate(loops):
                mean, deviation = scales[k]
                z = ((batch.y[k] - mean) / deviation).float()
                loss = ordinary(kind, one(batch.x[k]), z, 7 / float(deviation))
                updater.zero_grad()
                loss.backward()
                updater.step()
                constant = math.log(7 / float(deviation)) if kind == "given" else 0
                assert float(told[k]) == pytest.approx(float(loss.detach()) - constant, rel=1e-4, abs=1e-5)
    for k, (one, _) in enumerate(loops):
        for own, (name, p) in zip(one.parameters(), model.named_parameters(), strict=True):
            value = p[k].T if name.endswith("weight") else p[k].reshape(-1)
            torch.testing.assert_close(value.detach(), own.detach(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_same_bits_alone_and_in_any_cohort(kind: str, table: Table) -> None:
    run, cohorts = arms("mlp", "standard", {}, **{**NUMBERS, **LOSSES[kind]})
    alone = Trained(run, table=table)
    for others in cohorts:
        assert not differences(run, alone, Trained(run, *others, table=table))


def test_the_same_bits_where_rows_have_weights(weighed: Table) -> None:
    run, cohorts = arms("mlp", "standard", {}, **NUMBERS)
    alone = Trained(run, table=weighed)
    for others in cohorts:
        assert not differences(run, alone, Trained(run, *others, table=weighed))
    assert differences(run, alone, Trained(run, table=_without_weights(weighed)))  # they do count


def _without_weights(table: Table) -> Table:
    from dataclasses import replace

    return replace(table, weights=None)


@pytest.mark.parametrize("kind", ["mse", "learned"])
def test_the_same_bits_where_neighbours_stop_early(kind: str, weighed: Table) -> None:
    stopping = {**NUMBERS, **LOSSES[kind], "epochs": 12, "patience": 1}
    run = make_spec(rate=0.5, seed=3, lr=0.003, **stopping)
    quick = [make_spec(rate=0.1 * s, seed=s, lr=0.05 + 0.05 * s, **stopping) for s in (1, 2, 3, 4)]
    cohort = Trained(run, *quick, table=weighed)
    assert len({len(r.history) for r in cohort.results.values()}) > 1
    for spec in (run, *quick):
        assert not differences(spec, Trained(spec, table=weighed), cohort)


@pytest.mark.parametrize("kind", ["mse", "learned"])
def test_a_run_goes_on_from_a_checkpoint_with_the_same_bits(kind: str, weighed: Table) -> None:
    run, beside, after = (make_spec(rate=0.5, seed=s, **{**NUMBERS, **LOSSES[kind]}) for s in (3, 4, 5))
    states = states_at(2, 2, run, beside, table=weighed) | states_at(2, 2, after, table=weighed)
    resumed = Trained(run, after, table=weighed, states=states)
    assert not differences(run, Trained(run, table=weighed), resumed)


def test_classes_of_a_table_with_inputs_of_each_seed(tmp_path: Path) -> None:
    table = loaded(tmp_path, mixed(80))
    run, cohorts = arms("mlp", "standard", {}, split={"n_train": None}, batch_size=16)
    alone = Trained(run, table=table)
    for others in cohorts[-2:]:
        assert not differences(run, alone, Trained(run, *others, table=table))


@given(st.integers(0, 10**6), st.sampled_from([*LOSSES, "classify"]))
def test_a_row_of_weight_two_is_that_row_twice(seed: int, kind: str) -> None:
    draw = torch.Generator().manual_seed(seed)
    n, outputs = 5, 3 if kind == "classify" else 2
    output = torch.randn(2, n, outputs, generator=draw)
    if kind == "classify":
        target, scale = torch.randint(3, (2, n), generator=draw), {}
    else:
        target = torch.randn(2, n, generator=draw) * 9 + 4
        scale = {"centre": torch.tensor([[4.0], [5.0]]), "spread": torch.tensor([[9.0], [7.0]])}
    train = make_spec(**LOSSES.get(kind, {})).train
    task = "classify" if kind == "classify" else "regress"
    weight = torch.tensor([2.0, 1, 0, 1, 1]).expand(2, n)
    rows = torch.tensor([0, 0, 1, 3, 4])
    x = torch.zeros(2, n, 1)
    weighed = objective.losses(task, output, Batch(x, target, weight=weight, **scale), train)
    repeated = objective.losses(task, output[:, rows], Batch(x, target[:, rows], **scale), train)
    torch.testing.assert_close(weighed, repeated, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(  # and only their proportions count
        weighed,
        objective.losses(task, output, Batch(x, target, weight=7 * weight, **scale), train),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_batch_of_no_weight_teaches_nothing() -> None:
    batch = Batch(torch.zeros(1, 3, 1), torch.zeros(1, 3, dtype=torch.int64), weight=torch.zeros(1, 3))
    assert objective.losses("classify", torch.randn(1, 3, 2), batch, make_spec().train).tolist() == [0]


def test_what_is_told_is_in_the_targets_unit() -> None:
    scale = {"centre": torch.tensor([[100.0]]), "spread": torch.tensor([[10.0]])}
    batch = Batch(torch.zeros(1, 1, 1), torch.tensor([[100.0]]), **scale)
    output = torch.tensor([[[1.5, 0.0]]])
    of: Callable[..., Any] = lambda **train: regression.told(output, batch, make_spec(**train).train).tolist()[0][0]  # noqa: E731
    assert of() == [115]
    assert of(loss="huber") == [115]
    assert of(loss="gaussian", noise=3.0) == [115, 3]
    assert of(loss="gaussian") == pytest.approx([115, 10 * math.sqrt(math.log(2))], rel=1e-5)


def test_targets_are_standardised_by_the_training_rows_of_a_seed_alone(table: Table) -> None:
    spec = make_spec(**NUMBERS)
    one = split_for(table, spec.data, 3)
    scale = TargetScale.of(table, [one], torch.device("cpu"))
    assert scale is not None
    y = table.y[one.train].numpy().astype(np.float64)
    assert (float(scale.centre), float(scale.spread)) == pytest.approx((y.mean(), y.std()), rel=1e-6)


def test_targets_that_are_equal_in_training_have_a_spread_all_the_same(tmp_path: Path) -> None:
    table = loaded(tmp_path, mixed(40).assign(y=[5.0] * 30 + list(np.arange(10.0))), time="day", task="regress")
    scale = TargetScale.of(table, [split_for(table, make_spec(**NUMBERS).data, 0)], torch.device("cpu"))
    assert scale is not None and scale.spread.tolist() == [[1]]


def by_hand(spec: RunSpec, weights: dict[str, Tensor], table: Table, part: str) -> dict[str, float]:
    """Metrics of a relu mlp in float64, from a run's weights and scikit-learn's transformer: no engine."""
    assert table.prepared is not None
    split = split_for(table, spec.data, spec.seed)
    x = table.prepared.fitted(split.train).inputs(table.prepared.raw)[getattr(split, part)].double()
    for layer in ("hidden.0.linear", "hidden.1.linear", "head"):
        x = x @ weights[f"{layer}.weight"].double() + weights[f"{layer}.bias"].double()
        x = x if layer == "head" else x.relu()
    y = table.y.double()
    train = y[split.train]
    error = x[:, 0] * train.std(correction=0) + train.mean() - y[getattr(split, part)]
    return {"rmse": float(error.square().mean().sqrt()), "loss": float(error.square().mean())}


def test_metrics_of_a_run_are_those_of_its_weights(table: Table) -> None:
    spec = make_spec(rate=0.3, seed=3, **NUMBERS)
    trained = Trained(spec, table=table)
    for part in ("train", "val", "test"):
        told = by_hand(spec, trained.weights[spec.run_id], table, part)
        for name, value in told.items():
            assert trained[spec].metrics[f"{part}_{name}"] == pytest.approx(value, rel=1e-5)
