"""The learning rate over time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_schedulers import torchs
from training import Trained, cohort_of, make_spec, numbers

from dropbench.engine.lr_schedule import decay_factor, lr_factor, momentum_at
from dropbench.engine.optimizer import StackedOptimizer
from dropbench.spec import Component


def test_cosine_is_torchs() -> None:
    train = make_spec(schedule="cosine", epochs=7).train
    expected = torchs(torch.optim.lr_scheduler.CosineAnnealingLR, 70, T_max=70)
    assert [lr_factor(train, step / 10) for step in range(70)] == pytest.approx(expected)
    assert lr_factor(train, 7) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("cycles", [1, 2, 5])
def test_cosine_with_restarts_is_torchs(cycles: int) -> None:
    train = make_spec(schedule="cosine_restarts", epochs=10, cycles=cycles).train
    expected = torchs(torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, 100, T_0=100 // cycles)
    assert [lr_factor(train, step / 10) for step in range(100)] == pytest.approx(expected)
    assert lr_factor(train, 10) == pytest.approx(0, abs=1e-15)


def test_restarts_are_five_where_nothing_is_said_and_warm_up_is_part_of_the_first() -> None:
    train = make_spec(schedule="cosine_restarts", epochs=10, warmup_epochs=1).train
    assert train.restarts == 5 and make_spec(schedule="cosine", cycles=3).train.restarts is None
    assert [lr_factor(train, p) for p in (0.5, 1, 1.5, 2, 3, 4)] == pytest.approx([0.5, 1, 0.5, 1, 0.5, 1])
    long = make_spec(schedule="cosine_restarts", epochs=10, warmup_epochs=3).train
    assert [lr_factor(long, p) for p in (2.25, 3, 3.5, 4)] == pytest.approx([0.75, 1, 0.5, 1])


def test_step_is_torchs() -> None:
    train = make_spec(schedule="step", epochs=10, step_every=3, step_factor=0.5).train
    expected = torchs(torch.optim.lr_scheduler.StepLR, 10, step_size=3, gamma=0.5)
    for middle in (0.0, 0.5, 0.99):
        assert [lr_factor(train, epoch + middle) for epoch in range(10)] == pytest.approx(expected)


def test_the_first_step_may_come_sooner_or_later_than_the_others() -> None:
    """Zaremba et al. 2014, small model: four epochs at the full rate, then half in each epoch."""
    train = make_spec(schedule="step", epochs=13, step_first=4, step_every=1, step_factor=0.5).train
    by_hand = [1, 1, 1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256, 1 / 512]
    for middle in (0.0, 0.5, 0.99):
        assert [lr_factor(train, epoch + middle) for epoch in range(13)] == by_hand
    sooner = make_spec(schedule="step", epochs=13, step_first=2, step_every=3, step_factor=0.5).train
    assert [lr_factor(sooner, epoch) for epoch in range(9)] == [1, 1, 1 / 2, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 8]


@given(st.integers(1, 20), st.floats(0, 100))
def test_the_first_step_comes_like_the_others_if_nothing_is_said(every: int, progress: float) -> None:
    said = make_spec(schedule="step", step_first=every, step_every=every).train
    assert lr_factor(make_spec(schedule="step", step_every=every).train, progress) == lr_factor(said, progress)


def test_warm_up_rises_linearly() -> None:
    train = make_spec(warmup_epochs=2.5).train
    for progress, factor in ((0.25, 0.1), (1.25, 0.5), (2.0, 0.8), (2.5, 1.0), (9.0, 1.0)):
        assert lr_factor(train, progress) == pytest.approx(factor)


def test_cosine_begins_where_warm_up_ends() -> None:
    train = make_spec(schedule="cosine", epochs=10, warmup_epochs=2).train
    assert lr_factor(train, 1) == 0.5
    assert lr_factor(train, 2) == 1
    assert lr_factor(train, 6) == pytest.approx(0.5)
    assert lr_factor(train, 4) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


@given(
    schedule=st.sampled_from(["constant", "cosine", "cosine_restarts", "step", "coslog4"]),
    epochs=st.integers(1, 50),
    warmup=st.floats(0, 60),
    share=st.floats(0, 1),
)
def test_a_factor_is_between_nothing_and_one(schedule: str, epochs: int, warmup: float, share: float) -> None:
    train = make_spec(schedule=schedule, epochs=epochs, warmup_epochs=warmup).train
    assert 0 <= lr_factor(train, share * epochs) <= 1


def test_every_step_is_taken_at_the_middle_of_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the column has the epoch's last, at each replica's own rate."""
    specs = [make_spec(lr=lr, schedule="cosine", warmup_epochs=1, epochs=3, batch_size=50) for lr in (0.01, 0.03)]
    taken: list[float] = []
    step = StackedOptimizer.step
    monkeypatch.setattr(StackedOptimizer, "step", lambda self, *f: (taken.append(f[0]), step(self, *f))[1])
    done = Trained(*specs)
    expected = [lr_factor(specs[0].train, (s + 0.5) / 3) for s in range(9)]
    assert taken == pytest.approx(expected)
    assert all(factor > 0 for factor in taken)
    for spec in specs:
        assert [row["lr"] for row in done[spec].history] == pytest.approx([spec.train.lr * f for f in expected[2::3]])


def test_coslog4_rises_and_falls_four_times_each_twice_as_long_as_the_one_before() -> None:
    """Holzmüller et al. 2024: zero at 0, 1/15, 3/15, 7/15 and 1 of training, and at the top halfway in log2(1 + 15 p)."""
    train = make_spec(schedule="coslog4", epochs=30).train
    for cycle in range(5):
        assert lr_factor(train, 30 * (2**cycle - 1) / 15) == pytest.approx(0, abs=1e-12)
    for cycle in range(4):
        assert lr_factor(train, 30 * (2 ** (cycle + 0.5) - 1) / 15) == pytest.approx(1)


def test_weight_decay_is_held_for_half_of_training_and_then_falls_to_nothing() -> None:
    flat = make_spec(epochs=8, weight_decay=0.1, decay_schedule="flat_cos").train
    assert [decay_factor(flat, p, 8) for p in (0, 3.9, 4, 6, 8)] == pytest.approx([1, 1, 1, 0.5, 0])
    assert decay_factor(make_spec(epochs=8, weight_decay=0.1).train, 8, 8) == 1


def test_every_step_has_the_decay_of_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[float] = []
    step = StackedOptimizer.step
    monkeypatch.setattr(StackedOptimizer, "step", lambda self, *f: (taken.append(f[1]), step(self, *f))[1])
    run = make_spec(optimizer="adamw", weight_decay=0.5, decay_schedule="flat_cos", epochs=4, batch_size=50)
    _ = Trained(run)[run]
    assert taken == pytest.approx([decay_factor(run.train, (s + 0.5) / 3, 4) for s in range(12)])
    assert taken[5] == 1 > taken[6] > taken[11] > 0


def test_momentum_rises_in_a_straight_line_and_stays() -> None:
    """Hinton et al. 2012, appendix A.1: t/T of the way from 0.5 to 0.99, T = 500 epochs."""
    train = make_spec(optimizer="sgd", momentum=0.99, momentum_start=0.5, momentum_epochs=500, epochs=3000).train
    for t in (0, 1, 125, 250.5, 500, 2999):
        share = min(t / 500, 1)
        assert momentum_at(train, t, 3000) == pytest.approx(share * 0.99 + (1 - share) * 0.5)
    throughout = make_spec(optimizer="sgd", momentum=0.9, momentum_start=0.5, epochs=4).train
    assert [momentum_at(throughout, p, 4) for p in (0, 2, 4)] == pytest.approx([0.5, 0.7, 0.9])
    assert momentum_at(make_spec(momentum=0.8).train, 0, 4) == 0.8


@pytest.mark.parametrize("nesterov", [False, True])
def test_training_is_torchs_sgd_whose_momentum_is_set_before_every_step(
    monkeypatch: pytest.MonkeyPatch, nesterov: bool
) -> None:
    """Each to that of the middle of the step: 12 steps, of which 6 rise."""
    sgd: dict[str, Any] = {"momentum": 0.9, "momentum_start": 0.3, "momentum_epochs": 2, "nesterov": nesterov}
    run = make_spec(optimizer="sgd", epochs=4, batch_size=50, lr=0.05, **sgd)
    cohort = cohort_of(run)
    theirs = [p.detach().clone().requires_grad_() for p in cohort.parameters]
    twin = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, nesterov=nesterov, foreach=False)
    seen: list[float] = []
    step = StackedOptimizer.step

    def both(self: StackedOptimizer, *how: float) -> None:
        seen.append(min(1, (len(seen) + 0.5) / 6) * 0.6 + 0.3)
        twin.param_groups[0]["momentum"] = seen[-1]
        for p, q in zip(cohort.parameters, theirs, strict=True):
            assert p.grad is not None
            q.grad = p.grad.clone()
        twin.step()
        step(self, *how)
        for p, q in zip(cohort.parameters, theirs, strict=True):
            torch.testing.assert_close(p, q)

    monkeypatch.setattr(StackedOptimizer, "step", both)
    _ = list(cohort.run())
    assert len(seen) == 12 and seen[5] < seen[6] == pytest.approx(0.9)


def test_a_run_that_stops_early_is_the_beginning_of_the_whole() -> None:
    """Schedules of its learning rate, its weight decay and its dropout rate go on as if it were not to stop."""
    whole = make_spec(
        schedule="cosine", optimizer="adamw", weight_decay=0.5, decay_schedule="flat_cos", epochs=5, rate=0.4
    )
    rising = Component(name="linear_up", target="dropbench.dropout.schedule.linear_up")
    whole = whole.model_copy(update={"dropout": whole.dropout.model_copy(update={"schedule": rising})})
    rung = whole.model_copy(update={"train": whole.train.model_copy(update={"stop_at": 3})})
    assert numbers(Trained(rung)[rung])["history"] == numbers(Trained(whole)[whole])["history"][:3]
