from __future__ import annotations

import json
import os
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs_kit import planned

from dropbench.execute import cohort_sizes as module
from dropbench.execute.cohort_sizes import CohortSizes, fastest
from dropbench.execute.cohorts import Cohort, cohorts
from dropbench.planning.plan import Plan


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dropbench" / "cohort_sizes.json"


def plan_of(*words: str) -> Plan:
    return planned("dropout=standard", *words)


@cache
def some(runs: int) -> Cohort:
    """A cohort of so many runs."""
    plan = plan_of(f"seed=range(0,{runs})")
    return Cohort(plan.specs, plan.outlines[plan.specs[0].run_id])


class Clock:
    """Seconds that a step of K runs takes, and what was asked."""

    def __init__(self, best: int) -> None:
        self.best = best
        self.asked: list[int] = []

    def __call__(self, cohort: Cohort) -> float:
        self.asked.append(len(cohort))
        ratio = max(len(cohort) / self.best, self.best / len(cohort))
        return len(cohort) * ratio


LONG = ("seed=range(0,64)", "train.epochs=100000")


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_the_bottom_of_a_valley_is_found_from_anywhere(best: int, start: int, most: int) -> None:
    clock = Clock(2**best)
    found = fastest(some(64), 2 ** min(start, most), 2**most, clock)
    assert found == 2 ** min(best, most)
    assert len(clock.asked) == len(set(clock.asked))  # nothing is timed twice


def test_a_flat_floor_stays_where_it_is() -> None:
    assert fastest(some(64), 8, 64, lambda cohort: 1.0 * len(cohort)) == 8


def test_a_long_sweep_is_measured_once_and_remembered(kept: Path) -> None:
    plan = plan_of(*LONG)
    for clock in (Clock(4), Clock(1)):
        sizes = CohortSizes(plan.settings, "cpu", 2, clock)
        groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2, sizes)
        assert {len(g) for g in groups} == {4}
    assert not clock.asked  # the second time
    assert list(json.loads(kept.read_text()).values()) == [4]
    other = plan_of(*LONG, "model.widths=[32,32]")
    asked = Clock(2)
    cohorts(other.specs, other.outlines, other.settings, "cpu", 2, CohortSizes(other.settings, "cpu", 2, asked))
    assert asked.asked  # another model is another question


@pytest.mark.parametrize("held", ["", "{", "[1]", '{"x": 1}', '{"x": "many"}'])
def test_a_cache_that_cannot_be_read_is_as_none(kept: Path, held: str) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text(held)
    plan, clock = plan_of(*LONG), Clock(4)
    groups = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2, CohortSizes(plan.settings, "cpu", 2, clock))
    assert clock.asked and {len(g) for g in groups} == {4}


@pytest.mark.parametrize("held", [0, -4, 2.5, "many", None])
def test_a_kept_size_that_is_none_is_measured_again(kept: Path, held: object) -> None:
    plan, clock = plan_of(*LONG), Clock(4)
    for _ in range(2):
        cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2, CohortSizes(plan.settings, "cpu", 2, clock))
        (key,) = json.loads(kept.read_text())
        first, clock.asked = clock.asked, []
        kept.write_text(json.dumps({key: held}))
    assert first


def test_no_size_is_above_what_there_is_room_for() -> None:
    """Neither tried nor taken, though a larger one was best elsewhere; and other workers are another question."""
    plan = plan_of(*LONG)
    runs = Cohort(plan.specs, plan.outlines[plan.specs[0].run_id])
    narrow, wide, more = Clock(64), Clock(16), Clock(1)
    assert CohortSizes(plan.settings, "cpu", 1, wide)(runs, 8, 64) == 16
    assert CohortSizes(plan.settings, "cpu", 1, narrow)(runs, 8, 2) == 2 and not narrow.asked
    assert CohortSizes(plan.settings, "cpu", 2, more)(runs, 8, 4) == 1 and max(more.asked) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    plan = plan_of(*LONG)
    assert cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2, CohortSizes(plan.settings, "cpu", 2, Clock(4)))


@pytest.mark.parametrize(
    "words", [("seed=range(0,64)", "train.epochs=2"), ("seed=3", *LONG[1:]), (*LONG, "execute.cohort=7")]
)
def test_no_time_is_spent_where_there_is_nothing_to_gain(words: tuple[str, ...]) -> None:
    """On short sweeps, on single runs, and where the size was given."""
    plan, clock = plan_of(*words), Clock(4)
    with_, without = (
        cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 2, *sizes)
        for sizes in ([CohortSizes(plan.settings, "cpu", 2, clock)], [])
    )
    assert with_ == without and not clock.asked


def test_memory_bounds_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(*LONG)
    monkeypatch.setattr("dropbench.execute.cohorts._memory", lambda device: 30 * 2**20)
    groups = cohorts(
        plan.specs, plan.outlines, plan.settings, "cpu", 2, CohortSizes(plan.settings, "cpu", 2, Clock(64))
    )
    assert 1 < max(map(len, groups)) < 32


def test_steps_are_timed_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH", 0)
    plan = plan_of("seed=range(0,4)", "train.epochs=1", "data.n_train=64")
    sizes = CohortSizes(plan.settings, "cpu", 2)
    size = sizes(Cohort(plan.specs, plan.outlines[plan.specs[0].run_id]), 1, 64)
    assert size in (1, 2)


def _waits_for_ever(*given: object) -> float:
    time.sleep(600)
    return 0.0


def test_a_measurement_that_does_not_come_to_an_end_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a copy of a process that waits for a thread which it lacks; the size changes no number."""
    monkeypatch.setattr(module, "_seconds", _waits_for_ever)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.5)
    plan = plan_of(*LONG)
    group = Cohort(plan.specs, plan.outlines[plan.specs[0].run_id])
    began = time.monotonic()
    assert CohortSizes(plan.settings, "cpu", 2)(group, 8, 64) == 8
    assert time.monotonic() - began < 60
