from __future__ import annotations

import pytest
from specs_kit import planned

from dropbench.engine.train import Training
from dropbench.execute.cohorts import Cohort, cohorts
from dropbench.execute.estimate import Durations, estimate


def test_each_kind_of_cohort_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ("dropout.rate=0.1,0.2", "train.lr=0.1,0.2", "train.weight_decay=0,0.1")  # what each replica has for itself
    plan = planned("data=wine", "model.widths=[4],[8]", *own, "seed=0,1", "train.epochs=10")
    timed = []

    def time(training: Training) -> float:
        timed.append(training.size)
        return 0.5

    monkeypatch.setattr("dropbench.engine.timing.seconds_per_epoch", time)
    cohorts = [Cohort((s,), plan.outlines[s.run_id]) for s in plan.specs]
    durations = Durations(plan.settings, "cpu")
    assert estimate(cohorts, durations, 1) == 32 * 10 * 0.5
    assert timed == [1, 1]
    assert estimate(cohorts, durations, 4) == 8 * 10 * 0.5
    assert estimate(cohorts[:1], durations, 4) == 10 * 0.5  # one cohort is one worker's


def test_cohorts_of_other_sizes_are_timed_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("data=wine", "model.widths=[4]", "dropout=standard", "seed=range(0,4)", "train.epochs=10")
    monkeypatch.setattr("dropbench.engine.timing.seconds_per_epoch", lambda training: float(training.size))
    (together,) = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    assert estimate([together.part(0, 1), together.part(1, 4)], Durations(plan.settings, "cpu"), 1) == 10 * (1 + 3)


def test_what_runs_have_behind_them_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("data=wine", "model.widths=[4]", "dropout=standard", "seed=range(0,2)", "train.epochs=10")
    monkeypatch.setattr("dropbench.engine.timing.seconds_per_epoch", lambda training: 1.0)
    (together,) = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    first, last = (s.run_id for s in together.specs)
    durations = Durations(plan.settings, "cpu")
    assert estimate([together], durations, 1, {first: 0.5, last: 0.25}) == pytest.approx(7.5)  # they train together
    assert estimate([together], durations, 1, {first: 0.5}) == pytest.approx(10)
