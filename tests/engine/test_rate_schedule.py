"""A schedule sets the rate of each replica, step by step; the rate in force is in the history."""

from __future__ import annotations

import math
from typing import Any

import pytest
from training import Trained, cohort_of, differences, make_spec

from dropbench.spec import Component, RunSpec


def spec(schedule: str = "constant", options: dict[str, Any] | None = None, **settings: Any) -> RunSpec:
    made = make_spec(**{"rate": 0.4, "epochs": 4, "batch_size": 50, **settings})
    target = f"dropbench.dropout.schedule.{schedule}"
    chosen = Component(name=schedule, _target_=target, options=options or {})
    return made.model_copy(update={"dropout": made.dropout.model_copy(update={"schedule": chosen})})


def in_force(run: RunSpec) -> list[float]:
    return [row["rate/hidden.0"] for row in Trained(run)[run].history]


def test_history_holds_the_rate_of_the_last_step_of_each_epoch() -> None:
    """150 examples in batches of 50: the last of three steps is at 5/6 of its epoch."""
    expected = [0.4 * (epoch + 5 / 6) / 4 for epoch in range(4)]
    assert in_force(spec("linear_up")) == pytest.approx(expected, rel=1e-6)
    curriculum = [0.4 * (1 - math.exp(-10 * (epoch + 5 / 6) / 4)) for epoch in range(4)]
    assert in_force(spec("curriculum")) == pytest.approx(curriculum, rel=1e-6)


def test_rates_change_within_an_epoch() -> None:
    cohort = cohort_of(spec("linear_up", epochs=1))
    seen = []
    step = cohort.train_step

    def spy(*args: Any) -> Any:
        seen.append(float(cohort.replicas.noise.rates()["hidden.0"][0]))
        return step(*args)

    cohort.train_step = spy  # type: ignore[method-assign]
    list(cohort.run())
    assert seen == pytest.approx([0.4 * p for p in (1 / 6, 3 / 6, 5 / 6)])


def test_a_constant_schedule_is_none_at_all() -> None:
    """Written out, beside a replica with another schedule: the same bits."""
    plain, other = spec(), spec("cyclical", seed=1)
    assert not differences(plain, Trained(plain), Trained(plain, other))


def test_late_dropout_is_no_dropout_until_it_starts_and_early_until_it_ends() -> None:
    none, late = spec(rate=0.0), spec("late", {"start": 0.5})
    together = Trained(none, late)
    rows = zip(together[none].history, together[late].history, strict=True)
    same = [a["train_loss"] == b["train_loss"] for a, b in rows]
    assert same == [True, True, False, False]
    full, early = spec(), spec("early", {"until": 0.5})
    together = Trained(full, early)
    rows = zip(together[full].history, together[early].history, strict=True)
    assert [a["train_loss"] == b["train_loss"] for a, b in rows] == [True, True, False, False]


def test_schedules_stack() -> None:
    runs = [spec(name, seed=s) for name in ("constant", "linear_up", "linear_down", "step") for s in (0, 1)]
    together = Trained(*runs)
    assert not [d for run in runs for d in differences(run, Trained(run), together)]


def test_the_rate_of_the_chosen_epoch_is_in_force_when_it_is_tested() -> None:
    """Classic dropout scales by the rate in evaluation, so the rate must come back with the weights of the best epoch."""
    run = spec("linear_down", variant="classic", patience=1, epochs=12, lr=0.05)
    trained = Trained(run)
    result = trained[run]
    assert result.chosen_epoch is not None and result.chosen_epoch < len(result.history)
    cohort = trained.cohort
    expected = 0.4 * (1 - (result.chosen_epoch - 1 / 6) / 12)
    assert float(cohort.replicas.noise.rates()["hidden.0"][0]) == pytest.approx(expected, rel=1e-6)
