"""Probes in the engine: the network they see is the trained one, asking changes nothing, and no run knows its stack."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from graphs import graph_table
from training import Trained, cohort_of, differences, make_spec, table_of

from dropbench.engine.evaluate import evaluating
from dropbench.engine.example_batches import split_for
from dropbench.engine.probe import Probed, is_probe
from dropbench.metrics.fgsm import fgsm
from dropbench.metrics.loss import loss
from dropbench.metrics.membership import auc
from dropbench.spec import MetricSpec, RunSpec

OPTIONS: dict[str, dict[str, Any]] = {
    "fgsm": {"percent": [5, 30]},
    "missing": {"percent": [25]},
    "membership": {},
    "dead_units": {},
    "coadaptation": {},
    "mask_gradients": {"passes": 3},
    "missing_by_value": {"percent": [25]},
    "attribution": {},
    "sharpness": {"draws": 2, "examples": 100},
    "ablation": {"units": 5, "examples": 50},
    "ood": {},
    "noisy": {},
    "corrupted": {"percent": [25]},
    "batch_statistics": {},
    "pgd": {"percent": [25], "steps": 2, "masks": 2, "examples": 50},
    "missing_at_random": {"percent": [25]},
    "int8": {"examples": 100},
    "attention_entropy": {},
    "missing_edges": {},
}


def spec(model: str = "mlp", **settings: Any) -> RunSpec:
    made = make_spec(model, **{"variant": "standard", "rate": 0.5, **settings})
    probes = {
        name: MetricSpec(name=name, _target_=f"dropbench.metrics.{name}.{name}", options=options)
        for name, options in OPTIONS.items()
    }
    return made.model_copy(update={"metric": {**made.metric, **probes}})


def by_hand(run: RunSpec, weights: dict[str, torch.Tensor], part: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """x and y of one part, the loss's gradient by x, and the hidden activations of an mlp, in float64 without the engine."""
    table = table_of(run)
    split = split_for(table, run.data, run.seed)
    flat = table.x.double().flatten(1)
    pixels = flat[split.train]
    x = ((flat[getattr(split, part)] - pixels.mean()) / pixels.std(correction=0)).requires_grad_()
    y = split.labels if part == "train" else table.y[getattr(split, part)]
    logits, hidden = forward(x, weights)
    F.cross_entropy(logits, y, reduction="sum").backward()
    return torch.stack([x.detach(), x.grad]), [y, F.cross_entropy(logits, y, reduction="none").detach(), *hidden]


def forward(x: torch.Tensor, weights: dict[str, torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    hidden = []
    for layer in ("hidden.0.linear", "hidden.1.linear", "head"):
        x = x @ weights[f"{layer}.weight"].double() + weights[f"{layer}.bias"].double()
        if layer != "head":
            x = x.relu()
            hidden.append(x.detach())
    return x, hidden


def test_what_probes_find_is_what_the_trained_weights_give() -> None:
    run = spec(epochs=4)
    trained = Trained(run)
    metrics, weights = trained[run].metrics, trained.weights[run.run_id]
    (x, gradient), (y, losses, *hidden) = by_hand(run, weights, "test")
    moved, _ = forward(x + 0.3 * gradient.sign(), weights)
    assert metrics["test_fgsm_30_accuracy"] == pytest.approx((moved.argmax(1) == y).double().mean().item(), abs=0.003)
    assert metrics["test_fgsm_30_accuracy"] < metrics["test_fgsm_05_accuracy"] <= metrics["test_accuracy"]
    members = by_hand(run, weights, "train")[1][1]
    assert metrics["test_membership_auc"] == pytest.approx(auc(members, losses).item(), abs=1e-4)
    dead = torch.cat([h.amin(0) == h.amax(0) for h in hidden])
    assert metrics["test_dead_units"] == pytest.approx(dead.double().mean().item())
    layers = []
    for h in hidden:
        r = np.abs(np.corrcoef(h[:, h.amin(0) < h.amax(0)].numpy(), rowvar=False))
        layers.append((r.sum() - len(r)) / (len(r) * (len(r) - 1)))
    assert metrics["test_coadaptation"] == pytest.approx(np.mean(layers), abs=1e-5)
    assert metrics["gap_coadaptation"] == metrics["train_coadaptation"] - metrics["val_coadaptation"]
    assert 0.1 < metrics["test_missing_25_accuracy"] < metrics["test_accuracy"]
    assert metrics["train_gradient_variance"] > 0


def test_the_gradient_without_noise_is_that_of_evaluation() -> None:
    run = spec(variant="none", rate=0.0)
    trained = Trained(run)
    metrics, weights = trained[run].metrics, trained.weights[run.run_id]
    leaves = {name: w.double().requires_grad_() for name, w in weights.items()}
    table, split = table_of(run), split_for(table_of(run), run.data, run.seed)
    flat = table.x.double().flatten(1)
    pixels = flat[split.train]
    x = (flat[split.train][:128] - pixels.mean()) / pixels.std(correction=0)
    loss_there = F.cross_entropy(forward(x, leaves)[0], split.labels[:128])
    squares = sum(g.square().sum() for g in torch.autograd.grad(loss_there, list(leaves.values())))
    assert metrics["train_gradient_norm"] == pytest.approx(math.sqrt(squares), rel=1e-4)
    assert metrics["train_gradient_variance"] == 0


def test_asking_changes_nothing_else() -> None:
    asked = spec(epochs=3)
    plain = make_spec(variant="standard", rate=0.5, epochs=3)
    one, other = Trained(plain)[plain], Trained(asked)[asked]
    assert {m: v for m, v in other.metrics.items() if m in one.metrics} == one.metrics
    strip = [{k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")} for row in one.history]
    assert strip == [{k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")} for row in other.history]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("mlp", {}),
        ("mlp", {"data": "wine", "split": {"n_train": None}, "options": {"widths": [7, 13], "activation": "sigmoid"}}),
        ("mlp", {"options": {"widths": [24, 17], "batch_norm": "before_activation"}}),
        ("cnn", {}),
        ("rnn", {"variant": "locked"}),
        ("rnn", {"variant": "zoneout"}),
        ("resnet", {"variant": "stochastic_depth"}),
        ("transformer", {}),
        *(("mlp", {"variant": variant}) for variant in ("classic", "concrete", "dropconnect", "kingma")),
        ("mlp", {"precision": "bf16"}),
    ],
    ids=repr,
)
def test_a_run_is_the_same_in_any_stack(model: str, settings: dict[str, Any]) -> None:
    arms = [(3, 0.5), (0, 0.7), (3, 0.2)]
    runs = [spec(model, **{"epochs": 1, **settings, "seed": seed, "rate": rate}) for seed, rate in arms]
    together = Trained(*runs)
    assert not differences(runs[0], Trained(runs[0]), together)
    found = together[runs[0]].metrics
    assert {"test_fgsm_30_accuracy", "test_coadaptation", "train_gradient_norm"} <= found.keys()
    assert all(math.isfinite(value) for value in found.values())


def test_neighbours_that_stop_early_or_diverge() -> None:
    """Those that leave are probed by themselves, with their best weights; what diverged breaks nobody's probes."""
    common: dict[str, Any] = {"epochs": 12, "patience": 1, "restore_best": True, "rate": 0.2}
    run = spec(seed=5, lr=0.02, **common)  # behind one that goes on
    others = [spec(seed=1, lr=0.003, **common), spec(seed=2, lr=1e30, **common), spec(seed=3, lr=0.015, **common)]
    together = Trained(run, *others)
    assert together[others[1]].status == "diverged"
    assert len(together[run].history) < len(together[others[0]].history)
    assert together[run].metrics["test_missing_25_accuracy"] > 0.3
    assert not differences(run, Trained(run), together)


def test_a_graph() -> None:
    """Its nodes are numbers to look up, which nobody can move a little; and it is one example for the noise."""
    common: dict[str, Any] = {"batch_size": 100, "split": {"n_train": None}, "options": {"hidden": 12}, "epochs": 1}
    runs = [spec("dropbench.models.gcn.GCN", seed=s, **common) for s in (2, 0, 1)]
    together = Trained(*runs, table=graph_table())
    assert not differences(runs[0], Trained(runs[0], table=graph_table()), together)
    found = together[runs[0]].metrics
    assert {"test_membership_auc", "test_dead_units", "train_gradient_variance"} <= found.keys()
    assert {"test_ablation_gini", "train_sharpness"} <= found.keys()
    of_numbers = ("fgsm", "missing", "corrupted", "ood", "attribution")
    of_edges = {name for name in found if "missing_edges_" in name}
    assert of_edges and not [n for n in found if n not in of_edges and any(metric in n for metric in of_numbers)]


def test_every_hidden_layer_is_seen_once() -> None:
    for model, count in (("mlp", 2), ("cnn", 3), ("rnn", 1), ("transformer", 7)):
        cohort = cohort_of(spec(model))
        network = Probed(cohort.replicas)
        x, _ = next(network.examples("val"))
        with evaluating(cohort.replicas):
            found = network.activations(x)
        assert len(found) == count
        assert all(h.ndim == 3 and h.shape[1] % x.shape[1] == 0 for h in found.values())
        assert cohort.replicas.noise._edit is None  # of the copy that watched


def test_arms_of_a_seed_miss_the_same_features() -> None:
    cohort = cohort_of(*(spec(seed=s, rate=r) for s, r in ((1, 0.1), (1, 0.5), (2, 0.5))))
    seeds = [s.seed for s in cohort.replicas.specs]
    draw = Probed(cohort.replicas).uniforms("missing/test")
    drawn = dict(
        zip(zip(seeds, [s.dropout.rate for s in cohort.replicas.specs], strict=True), draw((50,)), strict=True)
    )
    assert torch.equal(drawn[1, 0.1], drawn[1, 0.5])
    assert not torch.equal(drawn[1, 0.5], drawn[2, 0.5])


def test_a_probe_is_told_by_its_first_parameter() -> None:
    assert is_probe(fgsm)
    assert not is_probe(loss)
