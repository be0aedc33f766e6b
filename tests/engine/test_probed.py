"""What the engine hands to probes that look at other data, take units away or draw normals is what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from training import Trained, cohort_of, differences, made_table, make_spec

from dropbench.engine.evaluate import evaluating
from dropbench.engine.probe import Probed
from dropbench.engine.train import Training
from dropbench.spec import EvalSpec, MetricSpec, RunSpec

THERE = torch.from_numpy(np.random.default_rng(0).random((70, 1, 8, 8)).astype(np.float32))


def spec(model: str = "mlp", against: tuple[str, ...] = ("there", "noise"), **settings: Any) -> RunSpec:
    made = make_spec(model, **{"rate": 0.5, "epochs": 1, **settings})
    ood = MetricSpec(name="ood", _target_="dropbench.metrics.ood.ood", options={"against": list(against)})
    return made.model_copy(update={"metric": {**made.metric, "ood": ood}, "eval": EvalSpec(mode="mc", passes=3)})


def probed(cohort: Training) -> Probed:
    return Probed(cohort.replicas)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("mlp", {}),
        ("mlp", {"augment": {"crop": 1}}),
        ("cnn", {"augment": {"crop": 1}}),
        ("cnn", {}),
        ("rnn", {"variant": "locked"}),
        ("mlp", {"variant": "dropconnect"}),
    ],
    ids=repr,
)
def test_a_run_is_the_same_in_any_stack(model: str, settings: dict[str, Any]) -> None:
    runs = [spec(model, **{**settings, "seed": seed, "rate": rate}) for seed, rate in ((3, 0.5), (0, 0.7), (3, 0.2))]
    foreign = {"there": THERE}
    together = Trained(*runs, foreign=foreign)
    assert not differences(runs[0], Trained(runs[0], foreign=foreign), together)
    names = [f"test_ood_{d}_{s}auroc" for d in ("there", "noise") for s in ("", "entropy_", "mc_", "mc_information_")]
    assert all(0 <= together[runs[0]].metrics[name] <= 1 for name in names)


def test_the_other_is_normalised_like_ones_own() -> None:
    """The run's own test rows, handed over raw as if of another data set, are told from themselves by nothing."""
    table = made_table(200, (1, 6, 6), axes="CHW")
    table = replace(table, x=table.x + 50, test=torch.arange(20, 70))
    for model in ("mlp", "cnn"):
        run = spec(model, split={"n_train": 60}, against=("there",))
        metrics = Trained(run, table=table, foreign={"there": table.x[table.test]})[run].metrics
        assert metrics["test_ood_there_auroc"] == metrics["test_ood_there_entropy_auroc"] == 0.5
        cohort = cohort_of(run, table=table, foreign={"there": table.x})
        (x,) = probed(cohort).foreign("there", 200)
        train = cohort.replicas.batches._rows["train"][0]
        assert x[0][train].mean().item() == pytest.approx(0, abs=1e-5)
        assert x[0][train].std(correction=0).item() == pytest.approx(1, abs=1e-5)
        (few,) = probed(cohort).foreign("there", 50)
        assert torch.equal(few, x[:, ::4])


@pytest.mark.parametrize(("model", "site", "reader"), [("mlp", "hidden.1", "head"), ("cnn", "conv.0", "blocks.1.conv")])
def test_without_a_unit_is_what_nobody_reads(model: str, site: str, reader: str) -> None:
    """The same as with a zero wherever the next layer would multiply it; and the unit is back after."""
    cohort = cohort_of(*(spec(model, seed=s) for s in (0, 1)))
    network = probed(cohort)
    with evaluating(cohort.replicas), torch.no_grad():
        x, _ = next(network.examples("val"))
        before = network.logits(x)
        found = network.without(x, site, 2)
        assert torch.equal(network.logits(x), before)
        weight = cohort.replicas.model.get_parameter(f"{reader}.weight")
        # Dense [K, I, O], convolutional [K, O, I, 3, 3].
        weight.select(1 if model == "mlp" else 2, 2).zero_()
        expected = network.logits(x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, before, atol=1e-3)


def test_normals_are_a_seeds_own_and_normal() -> None:
    cohort = cohort_of(*(spec(seed=s, rate=r) for s, r in ((1, 0.1), (1, 0.5), (2, 0.5))))
    seeds = [s.seed for s in cohort.replicas.specs]
    drawn = probed(cohort).normals("sharpness/train")((100, 100))
    assert drawn.shape == (3, 100, 100)
    first, second = [k for k, seed in enumerate(seeds) if seed == 1]
    other = seeds.index(2)
    assert torch.equal(drawn[first], drawn[second])
    assert not torch.equal(drawn[first], drawn[other])
    assert drawn[first].mean().item() == pytest.approx(0, abs=5 / 100)
    assert drawn[first].square().mean().item() == pytest.approx(1, abs=5 * np.sqrt(2) / 100)


def test_what_is_not_trained_is_no_weight() -> None:
    cohort = cohort_of(spec())
    frozen, *rest = cohort.replicas.model.parameters()
    frozen.requires_grad_(False)
    network = probed(cohort)
    assert len(network.parameters) == len(rest)
    assert all(a is b for a, b in zip(network.parameters, rest, strict=True))
