"""Rates that are learned: parameters of a replica, in its objective and in nothing else, and its own in any stack."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from training import Trained, cohort_of, differences, make_spec

from dropbench.engine.learned import LearnedRates
from dropbench.engine.train import Training
from dropbench.spec import EvalSpec, RunSpec


def spec(variant: str = "concrete", chosen: dict[str, Any] | None = None, **settings: Any) -> RunSpec:
    """A small run with options of its variant."""
    made = make_spec(variant=variant, **({"rate": 0.3} | settings))
    return made.model_copy(update={"dropout": made.dropout.model_copy(update={"options": chosen or {}})})


def logits_of(cohort: Training) -> dict[str, Tensor]:
    assert isinstance(cohort.replicas.model, LearnedRates)
    return {n: p for n, p in cohort.replicas.model.named_parameters() if n.startswith("logit_")}


def batch_and_objective(cohort: Training) -> Tensor:
    """What a replica's first step makes small, [K]."""
    assert isinstance(cohort.replicas.model, LearnedRates)
    each = cohort.replicas.losses(next(cohort.replicas.batches.epoch()))
    return each + cohort.replicas.model.penalty(cohort.replicas.noise, cohort.replicas.batches.part_sizes()["train"])


@pytest.mark.parametrize(("variant", "sites"), [("concrete", ["hidden.0", "hidden.1"]), ("kingma", None)])
def test_rates_start_as_configured_move_and_are_recorded(variant: str, sites: list[str] | None) -> None:
    sites = sites or ["hidden.0.weight", "hidden.1.weight"]
    run = spec(variant, rates={sites[1]: 0.6}, epochs=3)
    cohort = cohort_of(run)
    starts = [float(torch.sigmoid(p.detach())) for p in logits_of(cohort).values()]
    assert starts == pytest.approx([0.3, 0.6], rel=1e-6)
    result = Trained(run)[run]
    assert result.rates == {sites[0]: 0.3, sites[1]: 0.6}
    last = result.history[-1]
    assert result.learned_rates == {s: last[f"rate/{s}"] for s in sites}
    for site in sites:
        values = [result.rates[site], *(row[f"rate/{site}"] for row in result.history)]
        assert len(set(values)) == len(values) and all(0 < v < 1 for v in values)


@pytest.mark.parametrize("rate", [1e-5, 0.9999])
def test_a_rate_near_an_end_starts_where_it_is_said_to(rate: float) -> None:
    starts = [float(torch.sigmoid(p.detach())) for p in logits_of(cohort_of(spec(rate=rate))).values()]
    assert starts == pytest.approx([rate, rate], rel=1e-4)


def test_other_variants_learn_none() -> None:
    run = make_spec(rate=0.3, epochs=1)
    assert Trained(run)[run].learned_rates == {}


def test_rates_are_no_weights_of_the_model() -> None:
    """Not counted among the parameters, by which models are compared."""
    runs = spec(epochs=1), make_spec(rate=0.3, epochs=1)
    assert len({Trained(run)[run].parameters for run in runs}) == 1


@pytest.mark.parametrize("variant", ["concrete", "kingma"])
def test_gradient_of_a_rate_is_the_slope_of_the_objective(variant: str) -> None:
    """Of loss and prior together, under the same noise; by central differences."""
    options = {"temperature": 1.0} if variant == "concrete" else {"kl": 0.1}
    run = spec(variant, options)

    def at(shift: float) -> Training:
        cohort = cohort_of(run)
        with torch.no_grad():
            next(iter(logits_of(cohort).values())).add_(shift)
        return cohort

    cohort = at(0.0)
    (slope,) = torch.autograd.grad(batch_and_objective(cohort).sum(), next(iter(logits_of(cohort).values())))
    values = [float(batch_and_objective(at(shift)).detach().double()) for shift in (0.01, -0.01)]
    assert float(slope) == pytest.approx((values[0] - values[1]) / 0.02, rel=0.005)


@pytest.mark.parametrize("variant", ["concrete", "kingma"])
def test_a_step_follows_loss_and_prior(variant: str) -> None:
    """Weights and rates after one step of plain SGD, from gradients taken here; what is recorded is the loss alone."""
    run = spec(variant, optimizer="sgd", momentum=0.0, lr=0.1)
    cohort, reference = cohort_of(run), cohort_of(run)
    objective = batch_and_objective(reference)
    gradients = torch.autograd.grad(objective.sum(), list(reference.replicas.model.parameters()))
    loss, _ = cohort.train_step(next(cohort.replicas.batches.epoch()), 1.0)
    for got, start, gradient in zip(cohort.parameters, reference.parameters, gradients, strict=True):
        torch.testing.assert_close(got.detach(), start.detach() - 0.1 * gradient)
    assert isinstance(reference.replicas.model, LearnedRates)
    prior = reference.replicas.model.penalty(reference.replicas.noise, cohort.replicas.batches.part_sizes()["train"])
    torch.testing.assert_close(loss + prior.detach(), objective.detach())
    assert float(prior.detach().abs()) > 1e-3


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_no_weight_decay_acts_on_rates(optimizer: str) -> None:
    cohort = cohort_of(spec("kingma", {"per": "unit"}, optimizer=optimizer, weight_decay=0.5, lr=0.1))
    before = {n: p.detach().clone() for n, p in cohort.replicas.model.named_parameters()}
    for p in cohort.parameters:
        p.grad = torch.zeros_like(p)
    cohort.optimizer.step(1.0)
    for name, p in cohort.replicas.model.named_parameters():
        decayed = not name.startswith("logit_") and bool(before[name].any())
        assert torch.equal(p, before[name]) != decayed, name


@pytest.mark.parametrize("per", ["layer", "unit", "weight"])
def test_as_many_rates_as_asked_for_each_with_its_gradient(per: str) -> None:
    cohort = cohort_of(spec("kingma", {"per": per}))
    cohort.train_step(next(cohort.replicas.batches.epoch()), 1.0)
    shapes = {"layer": [(1,), (1,)], "unit": [(1, 64, 1), (1, 24, 1)], "weight": [(1, 64, 24), (1, 24, 16)]}
    logits = list(logits_of(cohort).values())
    assert [tuple(p.shape) for p in logits] == shapes[per]
    assert all(p.grad is not None and bool((p.grad != 0).all()) for p in logits)
    told = cohort.replicas.noise.rates()
    assert all(rate.shape == (1,) and 0 < float(rate) < 1 for rate in told.values())


@pytest.mark.parametrize("variant", ["concrete", "kingma"])
def test_an_arm_at_rate_0_trains_as_without_noise_and_stays_there(variant: str) -> None:
    """Beside one that learns: no noise, no prior, no gradient."""
    none, zero, on = make_spec(variant="none"), spec(variant, rate=0.0), spec(variant, seed=1)
    together = Trained(on, zero)
    alone = Trained(none)[none]
    found = together[zero]
    assert [row["train_loss"] for row in found.history] == [row["train_loss"] for row in alone.history]
    assert all(v == 0 for row in found.history for k, v in row.items() if k.startswith("rate/"))
    assert all(row["rate/" + next(iter(together[on].rates))] > 0 for row in together[on].history)


STACKS = [
    ("concrete", {}, {"placement": ["*"]}),
    ("concrete", {}, {"model": "rnn", "placement": ["input", "head"]}),
    ("concrete", {}, {"optimizer": "sgd", "grad_clip": 0.5, "max_norm": 0.9}),
    ("concrete", {}, {"precision": "bf16"}),
    ("kingma", {"per": "unit"}, {}),
    ("kingma", {"per": "weight"}, {"options": {"widths": [23, 7]}}),
    ("kingma", {"per": "weight"}, {"precision": "bf16"}),
    ("dropconnect", {"per": "example"}, {}),
    ("dropconnect", {"inference": "mean"}, {}),
]


@pytest.mark.parametrize(("variant", "chosen", "settings"), STACKS)
def test_the_same_alone_and_in_a_stack(variant: str, chosen: dict[str, Any], settings: dict[str, Any]) -> None:
    """To the last bit, rates included, beside arms of other rates and one without noise."""
    settings = {"batch_size": 33} | settings
    placed = {k: v for k, v in settings.items() if k != "placement"}
    run = spec(variant, chosen, seed=3, lr=0.01, **settings)
    others = [
        spec(variant, chosen, seed=3, lr=0.003, **settings | {"rate": 0.6}),
        spec(variant, chosen, seed=1, lr=0.02, **settings | {"rate": 0.1}),
        spec(variant, chosen, seed=4, lr=0.02, **settings | {"rate": 0.0}),
        make_spec(variant="none", seed=3, lr=0.01, **placed),
    ]
    together = Trained(run, *others)
    for one in (run, *others):
        assert not differences(one, Trained(one), together)


@pytest.mark.parametrize("variant", ["concrete", "kingma"])
def test_neighbours_that_leave_take_their_rates_along(variant: str) -> None:
    """Early stopping narrows the stack and gives the best epoch its rates back."""
    stopping = {"epochs": 9, "patience": 2, "lr": 0.35, "batch_size": 33}
    runs = [spec(variant, seed=s, **stopping | {"lr": 0.3 + 0.1 * s}) for s in range(4)]
    together = Trained(*runs)
    assert len({len(r.history) for r in together.results.values()}) > 1
    for run in runs:
        alone = Trained(run)
        assert not differences(run, alone, together)
        result = together[run]
        assert result.learned_rates == alone[run].learned_rates
        assert result.chosen_epoch is not None
        row = result.history[result.chosen_epoch - 1]
        for site, rate in result.learned_rates.items():
            assert rate == row[f"rate/{site}"]
            logit = together.weights[run.run_id][f"logit_{site.replace('.', '/')}"]
            assert rate == pytest.approx(1 / (1 + math.exp(-float(logit))))


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
@pytest.mark.parametrize(
    ("variant", "chosen"),
    [("concrete", {}), ("kingma", {}), ("standout", {}), ("dropconnect", {"per": "example"})],
)
def test_evaluation_under_noise(variant: str, chosen: dict[str, Any], mode: str) -> None:
    """At the learned rates, and the same alone and beside others."""
    runs = [
        spec(variant, chosen, seed=s, epochs=1).model_copy(update={"eval": EvalSpec(mode=mode, passes=2)})
        for s in (0, 1)
    ]
    together = Trained(*runs)
    for run in runs:
        assert not differences(run, Trained(run), together)
        assert all(math.isfinite(v) for v in together[run].metrics.values())


def test_a_reader_is_found_in_an_ordinary_module() -> None:
    """Whose parameters go by other names in the stack."""
    run = spec(model="user_models.Read", epochs=2)
    cohort = cohort_of(run)
    cohort.train_step(next(cohort.replicas.batches.epoch()), 1.0)
    assert isinstance(cohort.replicas.model, LearnedRates)
    weight = dict(cohort.replicas.model.model.named_parameters())[cohort.replicas.model.model.names["second.weight"]]  # type: ignore[union-attr, index]
    (gradient,) = torch.autograd.grad(cohort.replicas.model.penalty(cohort.replicas.noise, 10).sum(), weight)  # type: ignore[arg-type]
    assert bool(gradient.any())
    result = Trained(run)[run]
    assert result.learned_rates["hidden"] != 0.3
