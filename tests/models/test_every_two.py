"""Every two variants of conf/dropout in one arm of every model: the same run in any company, or a sentence why not."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
import torch
from model_kit import SMALL, TABLES, training_of
from noise_kit import VARIANTS
from specs_kit import spec_of

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.config.parts import locate
from dropbench.data import views
from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.execute.cohorts import _is_mask
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.planning.variants import arm_rates, places
from dropbench.spec import DropoutSpec, RunSpec

MODELS = [name for name in options("model") if name != "module"]


def passed(table: Table, *runs: RunSpec) -> dict[str, list[torch.Tensor]]:
    """What comes out of each run with its noise on, its gradients, and what comes out with it off; after one update."""
    cohort = training_of(runs, table)
    replicas = cohort.replicas
    batch = next(replicas.batches.epoch())
    cohort.train_step(batch, 1.0)
    found = [p.grad for p in cohort.parameters if p.grad is not None]
    with torch.no_grad():
        for training in (True, False):
            replicas.noise.training = training
            stack.begin(replicas.model)
            found.append(replicas.model(batch.x, replicas.noise))
    return {s.run_id: [t[k] for t in found] for k, s in enumerate(replicas.specs)}


@cache
def dropout_of(c: Composer, variant: str) -> DropoutSpec:
    return spec_of(c, f"dropout={variant}", "dropout.rate=0.3").dropout


@cache
def small(c: Composer, model: str) -> RunSpec:
    spec = spec_of(c, f"model={model}", "dropout=none")
    options = {**spec.model.options, **SMALL.get(model, {})}
    return spec.model_copy(update={"model": spec.model.model_copy(update={"options": options})})


@pytest.mark.parametrize("first", [v for v in VARIANTS if v != "none"])
@pytest.mark.parametrize("model", MODELS)
def test_they_compose_or_a_sentence_says_why_not(c: Composer, model: str, first: str) -> None:
    none = small(c, model)
    eats = locate(none.model.target).eats
    table = next(t for t in TABLES if set(eats) & set(views.views(t.axes)))
    found = outline(none.model, table)
    fitting = [v for v in VARIANTS if arm_rates(dropout_of(c, v), found.sites)]
    for second in (v for v in fitting if first in fitting and v > first):
        run = none.model_copy(update={"variants": (dropout_of(c, first), dropout_of(c, second))})
        if (reason := check(run, table, found)) is not None:
            assert f"{first} and {second} would both act on" in reason and "\n" not in reason
            shared = [{p.site for p in places([d], found.sites)} for d in run.variants]
            assert set.intersection(*shared), "refused without a site in common"
            continue
        alone = passed(table, run)[run.run_id]
        together = passed(table, none, run, run.model_copy(update={"seed": 1}))[run.run_id]
        assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True)), (first, second)


@pytest.mark.parametrize("model", MODELS)
def test_all_that_are_masks_in_one_stack(c: Composer, model: str) -> None:
    """What `execute.cohorts` lets train together: every such variant of a model, and each with the next, are as alone."""
    none = small(c, model)
    eats = locate(none.model.target).eats
    table = next(t for t in TABLES if set(eats) & set(views.views(t.axes)))
    sites = outline(none.model, table).sites
    of_variants = [dropout_of(c, v) for v in VARIANTS]
    masks = [d for d in of_variants if _is_mask(d, none.model) and arm_rates(d, sites)]
    assert len(masks) > 1
    lists = [(d,) for d in masks] + list(itertools.pairwise(masks))
    runs = [none.model_copy(update={"variants": v, "seed": i % 2}) for i, v in enumerate(lists)]
    together = passed(table, none, *runs)
    for run in runs:
        alone = passed(table, run)[run.run_id]
        assert all(torch.equal(a, b) for a, b in zip(alone, together[run.run_id], strict=True)), run.variants


def test_order_is_of_no_account_where_no_site_is_shared(c: Composer) -> None:
    one, other = (spec_of(c, "model=mlp", f"dropout={v}", "dropout.rate=0.3") for v in ("standard", "dropconnect"))
    runs = [one.model_copy(update={"variants": v}) for v in itertools.permutations((one.dropout, other.dropout))]
    a, b = (passed(TABLES[2], run)[run.run_id] for run in runs)
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True)) and runs[0].run_id != runs[1].run_id
