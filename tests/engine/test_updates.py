"""A budget in updates: so many steps, whatever the data and the batch size; schedules span them."""

from __future__ import annotations

from typing import Any

import pytest
from training import Trained, cohort_of, differences, make_spec, states_at

from dropbench.engine.lr_schedule import lr_factor
from dropbench.spec import Component, RunSpec

STEPS = 3
"""Of an epoch: 150 examples in batches of 50."""


def spec(updates: int | None = None, **settings: Any) -> RunSpec:
    """With a schedule of the learning rate and of the dropout rate."""
    train = {"epochs": 9, "schedule": "cosine", "warmup_epochs": 0.5, "batch_size": 50}
    made = make_spec(**{"rate": 0.4, "updates": updates, **train, **settings})
    rising = Component(name="linear_up", target="dropbench.dropout.schedule.linear_up")
    return made.model_copy(update={"dropout": made.dropout.model_copy(update={"schedule": rising})})


def test_whole_epochs_of_updates_are_those_epochs() -> None:
    by_epochs, by_updates = spec(epochs=4), spec(4 * STEPS)
    first, second = Trained(by_epochs), Trained(by_updates)
    rows = [
        [{k: v for k, v in r.items() if k not in ("seconds", "peak_memory_mb")} for r in t[s].history]
        for t, s in ((first, by_epochs), (second, by_updates))
    ]
    assert rows[0] == rows[1] and first[by_epochs].metrics == second[by_updates].metrics


@pytest.mark.parametrize("updates", [1, 2, 3, 7, 8])
def test_the_last_epoch_is_cut_at_the_step(updates: int) -> None:
    run = spec(updates)
    done = Trained(run)
    history = done[run].history
    ends = [min(STEPS * e, updates) for e in range(1, -(-updates // STEPS) + 1)]
    assert [row["updates"] for row in history] == ends
    assert done.cohort.epochs == len(ends)
    # The middle of the last step, as a share of all.
    middle = (updates - 0.5) / updates
    assert history[-1]["rate/hidden.0"] == pytest.approx(0.4 * middle, rel=1e-6)
    length = updates / STEPS
    assert history[-1]["lr"] == pytest.approx(run.train.lr * lr_factor(run.train, middle * length, length))
    assert done[run].metrics["test_accuracy"] >= 0


def test_more_data_and_larger_batches_are_no_more_training() -> None:
    for changes in ({"split": {"n_train": 300}}, {"batch_size": 10}, {"batch_size": 150}):
        run = spec(8, **changes)
        seen: list[int] = []
        cohort = cohort_of(run)
        list(cohort.run(after_update=lambda: seen.append(1)))  # noqa: B023
        assert len(seen) == 8


def test_alone_and_in_company_it_has_the_same_bits() -> None:
    run, others = spec(7, seed=1), [spec(7, seed=2), spec(7, seed=1, rate=0.1, lr=0.1)]
    assert not differences(run, Trained(run), Trained(run, *others))


@pytest.mark.parametrize("place", [(2, 2), (3, 1), (3, 2)])
def test_it_goes_on_from_where_it_was_saved(place: tuple[int, int]) -> None:
    run, other = spec(8, seed=1), spec(8, seed=2)
    states = states_at(*place, run, other)
    assert not differences(run, Trained(run), Trained(run, states=states))


def test_early_stopping_may_end_it_before() -> None:
    run = spec(40, patience=1, lr=0.5)
    history = Trained(run)[run].history
    assert len(history) < 14 and history[-1]["updates"] == STEPS * len(history)


def test_words_are_counted_too() -> None:
    from texts import running_text

    run = make_spec("lm", updates=5, batch_size=4, data="ptb", split={"n_train": None})
    done = Trained(run, table=running_text())
    assert done[run].history[-1]["updates"] == 5
