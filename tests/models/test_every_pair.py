"""Every model of conf/model with every variant of conf/dropout: one step, or a reason at planning time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from model_kit import CPU, TABLES
from noise_kit import VARIANTS

from dropbench.config import Composer, composer, locate, options
from dropbench.data import views
from dropbench.data.base import Table
from dropbench.engine.loop import Cohort
from dropbench.outline import arm_rates, check, outline
from dropbench.spec import RunSpec

IMPOSSIBLE = {("mlp", "locked"), ("mlp", "spatial"), ("cnn", "locked"), ("rnn", "dropconnect")}
"""Of the variants and models that there were first; of others, the pairs in which no site is supported."""


@pytest.fixture(scope="module")
def compose() -> Iterator[Composer]:
    with composer() as made:
        yield made


def spec(compose: Composer, model: str, variant: str, precision: str = "fp32") -> RunSpec:
    set_to = {"model": model, "dropout": variant, "train.precision": precision, "dropout.rate": "0.3"}
    return compose.compose({key: f"{key}={value}" for key, value in set_to.items()}).spec


def data_for(run: RunSpec) -> Table:
    eats = locate(run.model.target).eats
    return next(t for t in TABLES if set(eats) & set(views.views(t.axes)))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", options("model"))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_step_or_a_reason(compose: Composer, model: str, variant: str, precision: str) -> None:
    run = spec(compose, model, variant, precision)
    table = data_for(run)
    found = outline(run.model, table)
    reason = check(run, table, found)
    impossible = variant != "none" and all(VARIANTS[variant].supports(s) for s in found.sites)
    assert (reason is not None) == impossible and (impossible or (model, variant) not in IMPOSSIBLE)
    if reason is not None:
        assert reason.startswith(f"dropout={variant} has no site in model={model}: it ") and "\n" not in reason
        return
    runs = [run, run.model_copy(update={"seed": 1})]
    cohort = Cohort(runs, table, CPU)
    assert set(cohort.noise.rates()) == set(arm_rates(run.dropout, found.sites))
    assert bool(cohort.noise.rates()) == (variant != "none")
    before = [p.detach().clone() for p in cohort.parameters]
    losses, _ = cohort.train_step(next(cohort.batches.epoch()), 1.0)
    assert losses.shape == (2,) and bool(torch.isfinite(losses).all())
    for parameter, old in zip(cohort.parameters, before, strict=True):
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
        assert all(bool(g.any()) for g in parameter.grad)
        assert all(bool((p != o).any()) for p, o in zip(parameter, old, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", options("model"))
def test_noise_is_on_in_training_and_off_in_evaluation(compose: Composer, model: str, variant: str) -> None:
    """Functional dropout that ignores eval would fail here."""
    run = spec(compose, model, variant)
    table = data_for(run)
    if not arm_rates(run.dropout, outline(run.model, table).sites):
        pytest.skip("acts nowhere here")
    cohort = Cohort([run], table, CPU)
    x = next(cohort.batches.epoch()).x
    with torch.no_grad():
        assert not torch.equal(cohort.model(x, cohort.noise), cohort.model(x, cohort.noise))
        cohort.noise.training = False
        once, twice = cohort.model(x, cohort.noise), cohort.model(x, cohort.noise)
        assert torch.equal(once, twice)
        if variant not in {"dropconnect", "classic"}:  # which average over their masks, or scale, instead
            silent = Cohort([spec(compose, model, "none")], table, CPU)
            assert torch.equal(once, silent.model(x, silent.noise))
