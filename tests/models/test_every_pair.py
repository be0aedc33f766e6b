"""Every model of conf/model with every variant of conf/dropout: one step, or a reason at planning time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_kit import TABLES, training_of
from noise_kit import VARIANTS
from specs_kit import spec_of

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.config.parts import locate
from dropbench.data import views
from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.engine.train import Training
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.planning.variants import arm_rates
from dropbench.spec import RunSpec

IMPOSSIBLE = {("mlp", "locked"), ("mlp", "spatial"), ("cnn", "locked"), ("rnn", "dropconnect")}
"""Of the variants and models that there were first; of others, the pairs in which no site is supported."""

ACTS_IN_EVALUATION = {"dropconnect", "classic", "zoneout", "standout", "shake_drop"}
"""They average over their masks, or scale."""


MODELS = [name for name in options("model") if name != "module"]  # which is none without a network of the user's


def spec(c: Composer, model: str, variant: str, precision: str = "fp32") -> RunSpec:
    overrides = f"model={model}", f"dropout={variant}", f"train.precision={precision}", "dropout.rate=0.3"
    return spec_of(c, *overrides)


def data_for(run: RunSpec) -> Table:
    eats = locate(run.model.target).eats
    return next(t for t in TABLES if set(eats) & set(views.views(t.axes)))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_step_or_a_reason(c: Composer, model: str, variant: str, precision: str) -> None:
    run = spec(c, model, variant, precision)
    table = data_for(run)
    found = outline(run.model, table)
    reason = check(run, table, found)
    able = [s.name for s in found.sites if VARIANTS[variant].supports(s) is None]
    impossible = variant != "none" and set(able) <= {"input"}  # to which noise goes only when it is told to
    assert (reason is not None) == impossible and (impossible or (model, variant) not in IMPOSSIBLE)
    if reason is not None:
        told = (
            f"dropout={variant} acts in model={model} only at sites that you name"
            if able
            else f"dropout={variant} has no site in model={model}: it "
        )
        assert told in reason and "\n" not in reason
        return
    runs = [run, run.model_copy(update={"seed": 1})]
    cohort = training_of(runs, table)
    assert set(cohort.replicas.noise.rates()) == set(arm_rates(run.dropout, found.sites))
    assert bool(cohort.replicas.noise.rates()) == (variant != "none")
    before = [p.detach().clone() for p in cohort.parameters]
    losses, _ = cohort.train_step(next(cohort.replicas.batches.epoch()), 1.0)
    assert losses.shape == (2,) and bool(torch.isfinite(losses).all())
    for parameter, old in zip(cohort.parameters, before, strict=True):
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
        assert all(bool(g.any()) for g in parameter.grad)
        assert all(bool((p != o).any()) for p, o in zip(parameter, old, strict=True))


def afresh(cohort: Training, x: torch.Tensor) -> torch.Tensor:
    """What comes out, of a model that carries no state from what it saw before."""
    stack.begin(cohort.replicas.model)
    out: torch.Tensor = cohort.replicas.model(x, cohort.replicas.noise)
    return out


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", MODELS)
def test_noise_is_on_in_training_and_off_in_evaluation(c: Composer, model: str, variant: str) -> None:
    """Functional dropout that ignores eval would fail here. Where a variant has no site there is none in training either."""
    run = spec(c, model, variant)
    table = data_for(run)
    cohort = training_of([run], table)
    x = next(cohort.replicas.batches.epoch()).x
    with torch.no_grad():
        once, twice = afresh(cohort, x), afresh(cohort, x)
        assert torch.equal(once, twice) == (not arm_rates(run.dropout, cohort.replicas.outline.sites))
        cohort.replicas.noise.training = False
        once, twice = afresh(cohort, x), afresh(cohort, x)
        assert torch.equal(once, twice)
        if variant not in ACTS_IN_EVALUATION:
            silent = training_of([spec(c, model, "none")], table)
            assert torch.equal(once, afresh(silent, x))


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "none"])
@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.floats(0.05, 0.95), seeds=st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)))
def test_the_contract_at_the_models_own_sites(
    c: Composer, model: str, variant: str, rate: float, seeds: tuple[int, int]
) -> None:
    """In training: rate 0 is no noise, exactly, beside a noisy replica; a replica's noise is of its own seed and rate."""
    run = spec(c, model, variant)
    table = data_for(run)
    sites = outline(run.model, table).sites
    acting = arm_rates(run.dropout, sites)
    if not acting:
        return  # the reason is told at planning: `test_one_step_or_a_reason`

    def arm(at: float, seed: int) -> RunSpec:
        dropout = run.dropout.model_copy(update={"rate": 0.0, "rates": dict.fromkeys(acting, at)})
        return run.model_copy(update={"dropout": dropout, "seed": seed})

    def passed(*runs: RunSpec) -> dict[str, torch.Tensor]:
        cohort = training_of(runs, table)
        with torch.no_grad():
            out = afresh(cohort, next(cohort.replicas.batches.epoch()).x)
        return {one.run_id: out[k] for k, one in enumerate(cohort.replicas.specs)}

    one, other, silent = arm(rate, seeds[0]), arm(rate / 2, seeds[1]), arm(0.0, seeds[0])
    none = spec(c, model, "none").model_copy(update={"seed": seeds[0]})
    together = passed(one, other, silent)
    assert torch.equal(together[silent.run_id], passed(none)[none.run_id])
    assert torch.equal(together[one.run_id], passed(one)[one.run_id])
    assert torch.equal(together[other.run_id], passed(other)[other.run_id])
