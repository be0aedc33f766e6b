"""The checks of a GPU, tried on the CPU: they cover every variant, go on after a failure, and do find what is wrong."""

from __future__ import annotations

import re

import pytest
import torch

from benchmarks import gpu_checks
from benchmarks.gpu_log import Log
from benchmarks.gpu_runs import VARIANTS, cohort, distance, made, seeded, steps, weights
from dropbench.config.options import options
from dropbench.engine import streams


@pytest.fixture
def log() -> Log:
    return Log(torch.device("cpu"), 1)


def test_every_variant_is_tried() -> None:
    assert {typed.split()[0] for several in VARIANTS.values() for typed in several} == set(options("dropout"))


def test_what_raises_is_a_failure_and_the_rest_goes_on(log: Log) -> None:
    log.begin("a section", 1)
    log.check("broken", lambda: (1 / 0 > 0, ""))
    log.check("wrong", lambda: (False, "2 | 3"))
    log.check("right", lambda: (True, "4"))
    assert (log.failed, [outcome for *_, outcome, _ in log.checks]) == (2, ["FAIL", "FAIL", "pass"])
    text = log.report([("card", "none")])
    assert "ZeroDivisionError" in text and "| a section | right | pass | 4 |" in text
    rows = [line for line in text.splitlines() if line.startswith("| a section")]
    assert {len(re.findall(r"\|", row)) for row in rows} == {5}


def test_a_section_that_does_not_fit_is_said_to_be_skipped() -> None:
    log = Log(torch.device("meta"), 1)
    assert log.begin("short", 5) and not log.begin("long", 500)
    assert [(section, outcome) for section, _, outcome, _ in log.checks] == [("long", "skipped")]


def test_a_check_after_the_budget_is_left_out_and_said_to_be() -> None:
    log = Log(torch.device("meta"), 0)
    called: list[int] = []
    log.check("late", lambda: (bool(called.append(1)), ""))
    assert not called and [outcome for *_, outcome, _ in log.checks] == ["skipped"]


def test_masks_that_do_not_depend_on_the_seed_are_found(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    right = streams.bit_generator
    gpu_checks.streams(log)
    assert log.failed == 0
    monkeypatch.setattr(streams, "bit_generator", lambda seed, name: right(0, name))
    gpu_checks.streams(log)
    assert log.failed >= 2


def test_the_distance_of_a_replica_from_another_is_not_zero() -> None:
    training = cohort(seeded(made("mlp", "standard"), range(2)), torch.device("cpu"))
    steps(training, 3)
    first, second = weights(training, 0), weights(training, 1)
    assert distance(first, first) == 0 and distance(first, second) > gpu_checks.ALONE
