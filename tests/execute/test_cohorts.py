"""Which runs train together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from specs_kit import planned

from dropbench.config.compose import composer
from dropbench.data import views
from dropbench.data.base import Table
from dropbench.data.tabular.columns import Column
from dropbench.data.tabular.prepare import Columns, Prepared
from dropbench.engine.example_batches import ExampleBatches
from dropbench.execute.cohorts import Cohort, by_seeds, cohorts, held_bytes, work_bytes
from dropbench.planning.outline import Outline, outline
from dropbench.settings import ExecuteSpec, Settings
from dropbench.sites import Site
from dropbench.spec import RunSpec

with composer() as _c:
    BASE = _c.compose({}).spec
    NONE = _c.compose({"dropout": "dropout=none"}).spec
    ALPHA = _c.compose({"dropout": "dropout=alpha"}).spec


def place(cohort: Any = "auto") -> Settings:
    execute = ExecuteSpec(workers="auto", threads=1, cohort=cohort)
    return Settings(device="cpu", results=Path("results"), execute=execute)


def outline_of(stacked: bool = True, parameters: int = 1000) -> Outline:
    return Outline("flat", (4,), 3, (Site("hidden.0", "activation", (8,), "F"),), parameters, stacked, False)


def arm(rate: float, seed: int, lr: float, variant: RunSpec, epochs: int) -> RunSpec:
    dropout = variant.dropout.model_copy(update={"rate": rate} if variant is not NONE else {})
    train = BASE.train.model_copy(update={"lr": lr, "epochs": epochs})
    return BASE.model_copy(update={"dropout": dropout, "seed": seed, "train": train})


ARMS = st.builds(
    arm,
    rate=st.sampled_from([0.1, 0.2]),
    seed=st.integers(0, 5),
    lr=st.sampled_from([0.1, 0.01]),
    variant=st.sampled_from([BASE, NONE, ALPHA]),
    epochs=st.sampled_from([1, 1, 1, 2]),
)
PREPARED = Prepared(
    Columns(tuple(Column(name, "number") for name in "abc")), np.arange(150, dtype=np.float64).reshape(50, 3)
)
PLANS = st.lists(ARMS, min_size=1, max_size=40, unique_by=lambda s: s.run_id)


def kind(spec: RunSpec) -> tuple[int, str]:
    return spec.train.epochs, spec.dropout.name


@settings(max_examples=150)
@given(PLANS, st.integers(1, 7) | st.just("auto"), st.integers(1, 4), st.booleans())
def test_cohorts_divide_the_runs(specs: list[RunSpec], size: Any, workers: int, stacked: bool) -> None:
    found = outline_of(stacked)
    groups = cohorts(specs, {s.run_id: found for s in specs}, place(size), "cpu", workers)
    assert sorted(s.run_id for g in groups for s in g.specs) == sorted(s.run_id for s in specs)
    assert all(groups)
    for group in groups:
        assert len({s.train.epochs for s in group.specs}) == 1
        assert len({s.dropout.name for s in group.specs} - {"none"}) <= 1  # the baseline joins any one variant
        if not stacked:
            assert len(group) == 1
        elif size != "auto":
            assert len(group) <= size
    for epochs in {s.train.epochs for s in specs}:
        names = {s.dropout.name for s in specs if s.train.epochs == epochs} - {"none"}
        # Arms without noise have no cohorts of their own where they can join others.
        alone = {s.dropout.name for s in specs if s.train.epochs == epochs} == {"none"}
        of = [g for g in groups if g.specs[0].train.epochs == epochs]
        families = {
            next((s.dropout.name for s in specs if s in g.specs and s.dropout.name != "none"), "none") for g in of
        }
        assert families <= names | {"none"} and (alone or families & names)


@given(PLANS, st.integers(1, 4), st.integers(1, 7) | st.just("auto"))
def test_cohorts_of_a_kind_are_of_one_size_and_go_by_seed(specs: list[RunSpec], workers: int, size: Any) -> None:
    specs = [s for s in specs if s.train.epochs == 1 and s.dropout.name != "alpha"]
    groups = cohorts(specs, {s.run_id: outline_of() for s in specs}, place(size), "cpu", workers)
    if specs:
        sizes = [len(g) for g in groups]
        assert max(sizes) - min(sizes) <= 1
    for one, other in itertools.pairwise(groups):
        assert max(s.seed for s in one.specs) <= min(s.seed for s in other.specs)
    if size == "auto" and len(specs) > 1:
        assert len(groups) == min(len(specs), workers)  # work for everyone, and these are small


def test_the_arms_of_a_seed_are_together() -> None:
    plan = planned("study=three_arm", "seed=range(0,8)")
    for workers in (1, 2, 4):
        groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", workers)
        assert (
            [len({s.seed for s in g.specs}) * 3 for g in groups]
            == [len(g) for g in groups]
            == [24 // workers] * workers
        )


@pytest.mark.parametrize(("parameters", "count"), [(1_000, 1), (100_000, 3), (2_000_000, 30)])
def test_large_models_make_small_cohorts(parameters: int, count: int) -> None:
    specs = [BASE.model_copy(update={"seed": seed}) for seed in range(30)]
    groups = cohorts(specs, {s.run_id: outline_of(parameters=parameters) for s in specs}, place(), "cpu", 1)
    assert len(groups) == count
    (together,) = cohorts(specs, {s.run_id: outline_of(parameters=parameters) for s in specs}, place(), "cuda", 1)
    assert len(together) == 30


@settings(max_examples=60)
@given(PLANS, st.sampled_from([0, 10**3, 10**5]), st.sampled_from([10**4, 10**6, 10**8]))
def test_what_seeds_hold_for_themselves_fits_in_memory(specs: list[RunSpec], seed_bytes: int, memory: int) -> None:
    """By counting what each cohort would hold: a quarter of the memory, or it is a single run."""
    outline = replace(outline_of(), seed_bytes=seed_bytes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dropbench.execute.cohorts.ram", lambda: memory)
        groups = cohorts(specs, {s.run_id: outline for s in specs}, place(), "cpu", 1)
    for group in groups:
        held = len(group) * work_bytes(group) + 2 * seed_bytes * len({s.seed for s in group.specs})
        assert len(group) == 1 or held <= memory / 4


def test_as_many_runs_stack_as_memory_allows() -> None:
    """Ten seeds of two arms: with room for the inputs of three seeds, twice, and what six runs touch."""
    specs = [arm(rate, seed, 0.1, BASE, 1) for seed in range(10) for rate in (0.1, 0.2)]
    found = replace(outline_of(), seed_bytes=10**6)
    group = Cohort(tuple(specs), found)
    assert held_bytes(group, 1) == work_bytes(group) + 2 * 10**6
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dropbench.execute.cohorts.ram", lambda: 4 * held_bytes(group, 5))
        groups = cohorts(specs, {s.run_id: found for s in specs}, place(), "cpu", 1)
    assert {len(g) for g in groups} == {5} and held_bytes(group, 6) > held_bytes(group, 5)


def test_a_table_is_held_once_a_seed_and_counted_so() -> None:
    table = Table("t", torch.zeros(50, 3), torch.arange(50) % 2, "F", 2, prepared=PREPARED)
    specs = [BASE.model_copy(update={"seed": seed}) for seed in range(4)]
    batches = ExampleBatches(
        table, BASE.data, "flat", 8, BASE.train.augment, [s.seed for s in specs] * 2, torch.device("cpu")
    )
    counted = outline(BASE.model, table).seed_bytes
    assert batches._x.nbytes == 4 * counted and counted == 50 * 3 * 4
    assert outline(BASE.model, replace(table, prepared=None)).seed_bytes == 0


def test_schedules_stack_and_evaluations_do_not() -> None:
    words = ["dropout=none,standard", "dropout/schedule=constant,early,linear_up", "data=wine", "seed=0,1"]
    plan, apart = planned(*words), planned(*words, "eval.mode=deterministic,mc")
    (together,) = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    assert len(together) == 8  # three schedules and one without noise, under two seeds
    groups = cohorts(apart.specs, apart.outlines, apart.settings, "cpu", 1)
    assert [len(g) for g in groups] == [8, 8]
    assert all(len({s.eval.mode for s in g.specs}) == 1 for g in groups)


def test_variants_that_only_multiply_stack_and_others_do_not() -> None:
    """`classic` scales in evaluation, `alpha` adds, `dropconnect` acts on weights, and `concrete` learns its rate."""
    words = ["dropout=none,standard,gaussian,unscaled,classic,alpha,dropconnect,concrete", "data=wine", "seed=0,1"]
    plan = planned(*words, "dropout.rate=0.3")
    groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    found = sorted(sorted({s.dropout.name for s in g.specs}) for g in groups)
    assert found == [
        ["alpha"],
        ["classic"],
        ["concrete"],
        ["dropconnect"],
        ["gaussian", "none", "standard", "unscaled"],
    ]


def test_a_group_that_is_a_small_part_of_the_whole_is_not_cut_for_each_worker() -> None:
    few, many = (
        "standard,alpha",
        "standard,alpha,classic,concrete,dropconnect,standout,kingma,[standard,dropconnect],[alpha,classic]",
    )
    for names, expected in ((few, [3, 3, 3, 3]), (many, [6] * 9)):
        plan = planned(f"dropout={names}", "data=wine", "seed=range(0,6)")
        groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2)
        assert [len(g) for g in groups] == expected


def test_arms_of_several_variants_stack_where_they_act_at_the_same_sites_or_are_all_masks() -> None:
    def found(*words: str) -> list[int]:
        plan = planned("data=wine", "seed=0,1", *words)
        return sorted(len(g) for g in cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1))

    assert found("dropout=none,[standard,gaussian],[gaussian,standard],standard") == [8]
    assert found("dropout=none,[standard,dropconnect]", "dropout.standard.rate=0.1,0.4") == [6]
    placed = "dropout.standard.placement=[hidden.0],[hidden.1]"
    assert found("dropout=none,[standard,dropconnect]", placed) == [2, 4]
    assert found("dropout=dropconnect,[standard,dropconnect]") == [2, 2]


def test_models_and_data_do_not_mix() -> None:
    plan = planned("model.widths=[4],[8]", "data=wine,digits", "data.n_train=50", "seed=0,1,2")
    groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    assert len(groups) == 4
    assert all(len({(s.data.name, str(s.model.options)) for s in g.specs}) == 1 for g in groups)


def test_nothing_makes_no_cohorts() -> None:
    assert cohorts([], {}, place(), "cpu", 2) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_outlined_again_after_planning(carry: Any, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """What a run builds comes with its cohort, to workers too."""
    check, outlined = views.check, []

    def once(*arguments: Any) -> str:
        assert not outlined
        outlined.append(arguments)
        return check(*arguments)

    monkeypatch.setattr(views, "check", once)  # which every outline asks, whoever makes it
    assert carry("seed=0,1", workers=workers, cohort=1).statuses() == {"completed": 2} and len(outlined) == 1


def test_a_cohort_is_divided() -> None:
    specs = tuple(BASE.model_copy(update={"seed": seed}) for seed in range(3))
    cohort = Cohort(specs, outline_of())
    assert cohort.part(1, 3).specs == specs[1:] and len(cohort) == 3
    assert [one.specs for one in cohort.singly()] == [(s,) for s in specs]
    assert cohort.without(specs[1].run_id).specs == (specs[0], specs[2])


def test_cohorts_that_were_broken_off_go_on_whole() -> None:
    """However often: cut for all workers each time, they would end as single runs, which train the slower."""
    specs = [arm(0.1, seed, 0.1, BASE, 1) for seed in range(40)]
    outlines = {s.run_id: outline_of() for s in specs}
    first = cohorts(specs, outlines, place(), "cpu", 2)
    assert [len(cohort) for cohort in first] == [20, 20]
    places = {s.run_id: (3, i) for i, cohort in enumerate(first) for s in cohort.specs}
    again = cohorts(specs, outlines, place(), "cpu", 2, places=places)
    assert [cohort.specs for cohort in again] == [cohort.specs for cohort in first]
    alone = cohorts(first[0].specs, outlines, place(), "cpu", 2, places=places)
    assert [len(cohort) for cohort in alone] == [10, 10]  # else one worker would have nothing to do


@given(PLANS, st.integers(1, 9))
def test_blocks_of_seeds_divide_the_runs_and_are_in_their_order(specs: list[RunSpec], blocks: int) -> None:
    groups = cohorts(specs, {s.run_id: outline_of() for s in specs}, place(), "cpu", 2)
    found = by_seeds(groups, blocks)
    assert sorted(s.run_id for g in found for s in g.specs) == sorted(s.run_id for s in specs)
    assert [g.specs[0].seed for g in found] == sorted(g.specs[0].seed for g in found)
    of_before = {s.run_id: i for i, g in enumerate(groups) for s in g.specs}
    for i, group in enumerate(groups):
        parts = [g for g in found if of_before[g.specs[0].run_id] == i]
        assert len(parts) == min(blocks, len({s.seed for s in group.specs}))
        seeds = [{s.seed for s in part.specs} for part in parts]
        assert all(one.isdisjoint(other) for one, other in itertools.combinations(seeds, 2))


def test_what_was_saved_together_stays_together_and_comes_first() -> None:
    specs = [arm(0.1, seed, 0.1, BASE, epochs) for epochs in (1, 2) for seed in range(6)]
    groups = cohorts(specs, {s.run_id: outline_of() for s in specs}, place(), "cpu", 1)
    begun = next(g for g in groups if g.specs[0].train.epochs == 2)
    found = by_seeds(groups, 3, {begun.specs[4].run_id})
    assert found[0] == begun and [len(g) for g in found[1:]] == [2, 2, 2]
