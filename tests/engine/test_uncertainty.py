"""Evaluation with the noise on: masks of its own, the mean over passes, and what it leaves as it was."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from training import Trained, cohort_of, differences, make_spec

from dropbench.engine.evaluate import evaluate
from dropbench.engine.uncertainty import uncertainty
from dropbench.spec import EvalSpec, RunSpec


def spec(mode: str, passes: int = 20, **settings: Any) -> RunSpec:
    made = make_spec(**{"rate": 0.5, "epochs": 3, **settings})
    return made.model_copy(update={"eval": EvalSpec(mode=mode, passes=passes)})


def passes_by_hand(run: RunSpec, trained: Trained, mode: str, passes: int) -> torch.Tensor:
    """Distributions [T, n, C] over the test split of an mlp without its engine: its weights, and the masks of the stream."""
    cohort = cohort_of(run)
    cohort.early_stopping.restore(cohort.replicas.model, torch.tensor([0]))
    tensors = {**dict(cohort.replicas.model.named_parameters()), **dict(cohort.replicas.model.named_buffers())}
    for name, value in trained.weights[run.run_id].items():
        tensors[name].data.copy_(value[None])
    noise = cohort.replicas.noise.forked(f"{mode}/test", cohort.replicas.chunk, shared=mode == "ensemble")
    batch = next(iter(cohort.replicas.batches.part("test", 10_000)))
    found = []
    for _ in range(passes):
        x = batch.x[0]
        for i in range(2):
            layer = cohort.replicas.model.hidden[i].linear
            x = torch.relu(x @ layer.weight[0] + layer.bias[0])
            mask = noise._at[f"hidden.{i}"][0].mask(len(x), x.dtype)[0]
            assert len(mask) == (1 if mode == "ensemble" else len(x))
            x = x * mask
        noise.advance()
        head = cohort.replicas.model.head
        found.append(torch.softmax((x @ head.weight[0] + head.bias[0]).double(), -1))
    return torch.stack(found).detach()


def test_mc_is_the_mean_of_passes_with_masks_for_each_example() -> None:
    run = spec("mc")
    trained = Trained(run)
    metrics = trained[run].metrics
    p = passes_by_hand(run, trained, "mc", 20)
    y = next(iter(cohort_of(run).replicas.batches.part("test", 10_000))).y[0]
    mean = p.mean(0)
    entropy = torch.special.entr(mean).sum(1).mean()
    single = [float(F.nll_loss(one.log(), y)) for one in p]
    assert metrics["test_mc_loss"] == pytest.approx(float(F.nll_loss(mean.log(), y)), rel=1e-5)
    assert metrics["test_mc_accuracy"] == pytest.approx(float((mean.argmax(1) == y).double().mean()))
    assert metrics["test_mc_loss_sd"] == pytest.approx(float(torch.tensor(single).double().std()), rel=1e-3)
    assert metrics["test_mc_entropy"] == pytest.approx(float(entropy), rel=1e-5)
    information = entropy - torch.special.entr(p).sum(2).mean()
    assert metrics["test_mc_mutual_information"] == pytest.approx(float(information), rel=1e-4)
    assert 0 < metrics["test_mc_mutual_information"] < metrics["test_mc_entropy"] < math.log(10)


def test_an_ensemble_is_of_networks_with_one_mask_for_all_examples() -> None:
    run = spec("ensemble")
    trained = Trained(run)
    metrics = trained[run].metrics
    p = passes_by_hand(run, trained, "ensemble", 20)
    y = next(iter(cohort_of(run).replicas.batches.part("test", 10_000))).y[0]
    geometric = p.log().mean(0).exp()
    geometric = geometric / geometric.sum(1, keepdim=True)
    assert metrics["test_arithmetic_loss"] == pytest.approx(float(F.nll_loss(p.mean(0).log(), y)), rel=1e-5)
    assert metrics["test_geometric_loss"] == pytest.approx(float(F.nll_loss(geometric.log(), y)), rel=1e-5)
    assert metrics["val_geometric_accuracy"] > 0.3


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_training_and_the_deterministic_metrics_do_not_notice(mode: str) -> None:
    plain, asked = make_spec(rate=0.5, epochs=3), spec(mode, 3)
    one, other = Trained(plain)[plain], Trained(asked)[asked]
    assert {m: v for m, v in other.metrics.items() if m in one.metrics} == one.metrics
    assert len(other.metrics) > len(one.metrics)
    strip = [{k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")} for row in one.history]
    assert strip == [{k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")} for row in other.history]


def test_batch_norm_stays_on_its_running_statistics() -> None:
    """The trap: passes whose batch norm is in training mode see each other's examples and move its statistics."""
    run = spec("mc", 3, options={"widths": [24, 16], "batch_norm": "before_activation"})
    cohort = cohort_of(run)
    list(cohort.run())
    before = {name: b.clone() for name, b in cohort.replicas.model.named_buffers()}
    first = evaluate(cohort.replicas, "val")
    whole, halves = uncertainty(cohort.replicas, "val"), uncertainty(cohort.replicas, "val")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    assert all(torch.equal(b, before[name]) for name, b in cohort.replicas.model.named_buffers())
    assert all(torch.equal(first[name], value) for name, value in evaluate(cohort.replicas, "val").items())


@pytest.mark.parametrize("variant", ["standard", "gaussian", "dropconnect", "alpha", "classic"])
@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_a_run_is_the_same_in_any_stack(mode: str, variant: str) -> None:
    runs = [spec(mode, 4, variant=variant, seed=s, rate=r, epochs=1) for s in (0, 1) for r in (0.2, 0.5)]
    together = Trained(*runs)
    for run in runs:
        assert not differences(run, Trained(run), together)


def test_without_noise_all_passes_agree() -> None:
    run = spec("mc", 3, variant="none", rate=0.0)
    metrics = Trained(run)[run].metrics
    assert metrics["test_mc_loss"] == pytest.approx(metrics["test_loss"], rel=1e-6)
    assert metrics["test_mc_accuracy"] == metrics["test_accuracy"]
    assert metrics["test_mc_loss_sd"] == 0
    assert metrics["test_mc_mutual_information"] == pytest.approx(0, abs=1e-12)
