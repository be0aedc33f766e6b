"""The ratio of seconds on a clock that is moved by hand, and that nothing but the dropout differs. No test of time itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from dropbench.programs import seconds


class Clock:
    """Stands still but for what is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[float] = []

    def __call__(self) -> float:
        return self.now

    def takes(self, duration: float) -> Callable[[], object]:
        def act() -> None:
            self.now += duration
            self.done.append(duration)

        return act


def test_it_is_the_log_of_the_ratio_and_each_comes_first_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(seconds.time, "perf_counter", clock)
    assert seconds._log_ratio(clock.takes(3.0), clock.takes(2.0)) == pytest.approx(math.log(1.5))
    rounds = clock.done[:: 2 * seconds.STEPS]
    assert rounds.count(3.0) == rounds.count(2.0) == len(rounds) / 2


def test_the_dense_networks_differ_in_dropout_alone() -> None:
    with_it, without = seconds._dense(0.5), seconds._dense(0.0)
    dropout = [m.p for m in with_it.modules() if isinstance(m, nn.Dropout)]
    assert dropout == [0.5, 0.5] and not [m for m in without.modules() if isinstance(m, nn.Dropout)]
    assert [p.shape for p in with_it.parameters()] == [p.shape for p in without.parameters()]


def test_branches_are_not_computed_where_they_are_left_out() -> None:
    computed = []
    model = seconds._Residual(0.3)
    for branch in model.branches:
        branch.register_forward_hook(lambda *_: computed.append(1))
    torch.manual_seed(0)
    for _ in range(300):
        model(torch.rand(2, seconds.INPUTS))
    assert len(computed) / (300 * seconds.BLOCKS) == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("program", [seconds.training_step, seconds.answer, seconds.stochastic_depth_step])
def test_a_program_gives_a_number_and_leaves_the_process_as_it_was(
    program: Callable[[int], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seconds, "ROUNDS", 2)
    monkeypatch.setattr(seconds, "STEPS", 1)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert math.isfinite(program(3))
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
