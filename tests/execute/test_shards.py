"""The parts of a plan: disjoint, together everything, the same on every machine, and of runs that can be stacked."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.execute import cohorts, shards
from dropbench.execute.shards import Shard, part, read
from dropbench.hardware import ram
from dropbench.planning.plan import Plan, make
from dropbench.spec import RunSpec

PLANS = (
    "data=wine model.widths=[4] dropout=none,standard,dropconnect dropout.rate=0.2,0.4 seed=range(0,12)",
    "data=wine,digits data.n_train=60 model.widths=[4],[32] dropout=none,standard seed=range(0,5)",
    "data=wine model.widths=[4] train.epochs=1,200 dropout=none,standard,kingma seed=range(0,4)",
    "data=wine model.widths=[4] dropout=standard dropout.rate=0.1,0.2,0.3,0.4,0.5 train.batch_size=8,16 seed=0,1",
)


@cache
def plan(words: str) -> Plan:
    with composer([]) as c:
        return make(words.split(), c)


def parts(made: Plan, of: int, specs: tuple[RunSpec, ...] | None = None) -> list[list[RunSpec]]:
    runs = made.specs if specs is None else specs
    return [part(Shard(k, of), runs, made.outlines, made.settings) for k in range(1, of + 1)]


def ids(runs: list[RunSpec]) -> list[str]:
    return [s.run_id for s in runs]


@given(words=st.sampled_from(PLANS), of=st.integers(1, 60))
def test_parts_are_disjoint_and_together_everything_and_about_equal(words: str, of: int) -> None:
    made = plan(words)
    each = parts(made, of)
    assert Counter(run for runs in each for run in ids(runs)) == Counter(s.run_id for s in made.specs)
    costs = {s.run_id: shards._cost(s, made.outlines[s.run_id], made.settings) for s in made.specs}
    share, largest = sum(costs.values()) / of, max(costs.values())
    for (
        runs
    ) in each:  # half a unit at each end; a unit is a run, or the runs of a seed where they are a quarter at most
        assert sum(costs[s.run_id] for s in runs) <= share + max(largest, share / 4) + 1e-6


@given(words=st.sampled_from(PLANS), of=st.integers(1, 60), data=st.data())
def test_parts_of_a_plan_that_lists_its_runs_otherwise_have_no_run_twice(
    words: str, of: int, data: st.DataObject
) -> None:
    made = plan(words)
    mixed = tuple(data.draw(st.permutations(made.specs)))
    each = parts(made, of, mixed)
    assert sorted(run for runs in each for run in ids(runs)) == sorted(s.run_id for s in made.specs)
    for runs in each:  # and each part has its runs in the order in which they were given
        assert ids(runs) == [s.run_id for s in mixed if s.run_id in set(ids(runs))]


def test_parts_are_the_same_on_a_machine_with_other_memory_processor_and_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = plan(PLANS[0])
    here = [ids(runs) for runs in parts(made, 7)]
    monkeypatch.setattr(ram, "ram", lambda: 2**26)
    monkeypatch.setattr(cohorts, "_CPU_BYTES", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(96)), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = made.settings.model_copy(update={"results": tmp_path / "other", "device": "cuda"})
    there = [ids(part(Shard(k, 7), made.specs, made.outlines, settings)) for k in range(1, 8)]
    assert here == there
    with composer([]) as c:
        again = make([*PLANS[0].split(), f"results={tmp_path}/more", "execute.workers=3", "execute.cohort=2"], c)
    assert [ids(runs) for runs in parts(again, 7)] == here


def test_runs_that_stack_stay_together_and_arms_of_a_seed_too() -> None:
    """12 seeds × (standard and none, dropconnect) in 3 parts: a part has whole seeds, and at most two kinds of stack."""
    made = plan(PLANS[0])
    for runs in parts(made, 3):
        groups = cohorts.stackable(runs, made.outlines)
        assert len(groups) <= 2
    of_masks = [s for s in made.specs if s.variants[0].name in ("none", "standard")]
    for seed in range(12):
        having = [runs for runs in parts(made, 3) if any(s.seed == seed and s in of_masks for s in runs)]
        assert len(having) == 1


def test_a_run_that_failed_when_it_was_planned_is_in_one_part_too() -> None:
    made = plan(PLANS[0])
    lost = made.specs[5].run_id
    outlines = {run: outline for run, outline in made.outlines.items() if run != lost}
    having = [k for k in range(1, 6) if lost in ids(part(Shard(k, 5), made.specs, outlines, made.settings))]
    assert len(having) == 1


def test_what_is_no_part_is_a_sentence() -> None:
    assert read("3/8") == Shard(3, 8) and read(" 1/1 ") == Shard(1, 1) and str(Shard(3, 8)) == "3/8"
    for text, says in (
        ("9/8", "--shard 9/8: there is no part 9 of 8; write --shard 1/8 to --shard 8/8"),
        ("0/8", "there is no part 0 of 8; write --shard 1/8"),
        ("3", "as in --shard 3/8"),
        ("", "as in --shard 3/8"),
        ("1/0", "as in --shard 3/8"),
        ("-1/3", "as in --shard 3/8"),
        ("1/99999", "at most 10000"),
        ("1.5/3", "as in --shard 3/8"),
    ):
        with pytest.raises(UsageError, match=re.escape(says)):
            read(text)
