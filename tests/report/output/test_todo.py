"""What a page says to do, in its first screen: which arm to use, and the next step of the diagnosis."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from dropbench import report
from dropbench.report.output.page.matrix import overall
from dropbench.report.output.page.todo import todo
from dropbench.report.tables.facts import has_learned_nothing
from dropbench.report.tables.finding import finding

ONE, TWO = {0.5: 0.03}, {0.1: 0.03, 0.5: -0.05}


@pytest.mark.parametrize(
    ("gains", "seeds", "noise", "begins", "holds"),
    [
        (ONE, 8, 0.002, "Use standard 0.5.", "ook for an even better rate"),
        (
            TWO,
            8,
            0.002,
            "Use standard 0.1, once seeds that had no part in choosing it confirm it.",
            "report --confirm trains under",
        ),
        (ONE, 3, 0.002, "Keep the baseline (no dropout) until more seeds confirm standard 0.5.", ""),
        ({0.5: -0.05}, 8, 0.002, "Keep the baseline (no dropout).", ""),
        ({0.5: 0.0}, 8, 0.02, "Keep the baseline (no dropout) for now.", ""),
        (
            {0.5: 0.0},
            2,
            0.02,
            "Keep the baseline (no dropout) for now. Or train ",
            "more seeds of standard 0.5 and none",
        ),
    ],
)
def test_what_to_do(
    fake: Any, put: Any, store: Any, gains: dict[float, float], seeds: int, noise: float, begins: str, holds: str
) -> None:
    luck = random.Random(1)
    for seed in range(seeds):
        base = 0.8 + luck.gauss(0, 0.01)
        put(fake(seed, test=base, val=base))
        for rate, gain in gains.items():
            changes, got = {"dropout": "standard", "dropout.rate": rate}, base + gain + luck.gauss(0, noise)
            put(fake(seed, changes=changes, test=got, val=got))
    whole = report.build([store.root])
    said = todo(whole.comparisons[0])
    assert said.startswith(begins) and holds in said
    assert f'<p class="todo"><strong>What to do:</strong> {begins}' in report.render(whole, "html", None)


def test_nothing_is_concluded_from_networks_that_learned_nothing(fake: Any, put: Any, store: Any) -> None:
    for seed in range(6):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard" if rate else "none", "dropout.rate": rate}
            score = 0.1 + 0.001 * ((seed + (rate > 0)) % 3)
            told = {"majority": 0.1, "answered": 0.6}
            run = fake(seed, changes=changes, train=score, val=score, test=score, test_classes=told)
            gap = 2.3 - run.metrics["val_loss"]
            put(replace(run, metrics={**run.metrics, "train_loss": 2.3, "gap_loss": gap}))
    (comparison,) = report.build([store.root]).comparisons
    said = todo(comparison)
    assert said.startswith("Draw no conclusion from these runs yet. First train it for longer")
    facts = {fact.name: fact.value for fact in finding(comparison).facts}
    assert facts == {"Best": "nothing yet", "How sure": "too early", "Cost": "12 runs"}


def test_what_is_confirmed_of_some_arms_is_said_beside_what_is_open(fake: Any, put: Any, store: Any) -> None:
    luck = random.Random(2)
    for seed in range(8):
        put(fake(seed, test=0.8, val=0.8))
        for rate, gain, noise in ((0.1, 0.0, 0.02), (0.5, -0.05, 0.002)):
            got = 0.8 + gain + luck.gauss(0, noise)
            put(fake(seed, changes={"dropout": "standard", "dropout.rate": rate}, test=got, val=got))
    (comparison,) = report.build([store.root]).comparisons
    (sure,) = (fact for fact in finding(comparison).facts if fact.name == "How sure")
    assert sure.value == "1 of 2 arms confirmed" and sure.detail.startswith("8 seeds leave standard 0.1 open")


def test_a_comparison_that_says_nothing_hides_no_other(fake: Any, put: Any, store: Any) -> None:
    """Of two data sets the network has learned nothing on one, and the arm is worse on the other."""
    for seed in range(8):
        for rate in (0.0, 0.5):
            arm = {"dropout": "standard" if rate else "none", "dropout.rate": rate}
            for data, score, answered in (("wine", 0.5, 1.0), ("digits", 0.9 - rate / 10 + seed / 1000, 0.5)):
                told = {"majority": 0.5, "answered": answered}
                put(fake(seed, changes={**arm, "data": data}, train=score, val=score, test=score, test_classes=told))
    comparisons = report.build([store.root]).comparisons
    assert [has_learned_nothing(c) for c in comparisons].count(True) == 1
    assert (
        overall(comparisons) == "In 2 comparisons no arm does better than its baseline; in 1 of them an arm does worse"
    )
    (alone,) = (c for c in comparisons if has_learned_nothing(c))
    assert overall([alone]).startswith("In every comparison the baseline has learned next to nothing")


@pytest.mark.parametrize("lost", [False, True], ids=["each can be settled", "the best cannot"])
def test_of_many_open_arms_it_says_which_seeds_would_settle(fake: Any, put: Any, store: Any, lost: bool) -> None:
    """Seven arms are two standard errors below the baseline; if `lost`, an eighth is level with it."""
    luck = random.Random(3)
    rates = [round(0.1 * i, 1) for i in range(1, 8)]
    for seed in range(8):
        put(fake(seed, test=0.8, val=0.8))
        for rate in rates:
            got = 0.8 - 0.012 + (0.015 if seed % 2 else -0.015) + luck.gauss(0, 0.0005)
            put(fake(seed, changes={"dropout": "standard", "dropout.rate": rate}, test=got, val=got))
        if lost:
            got = 0.8 + (0.02 if seed % 2 else -0.02)
            put(fake(seed, changes={"dropout": "gaussian", "dropout.rate": 0.1}, test=got, val=got))
    (comparison,) = report.build([store.root]).comparisons
    (open_,) = (d for d in comparison.diagnosis if d.rule == "undecided")
    n = len(open_.steps[0].seeds)
    if lost:
        assert f"{n} more seeds of none and the 7 arms that this would settle" in open_.advice
        assert "Not gaussian 0.1, which has the best mean: " in open_.buys
        assert todo(comparison).endswith(f"Or train {n} more seeds: they settle 7 of 8 open arms.")
    else:
        assert f"{n} more seeds of none and the 7 arms that are still open" in open_.advice and "Not " not in open_.buys
        assert todo(comparison).endswith(f"Or train {n} more seeds of every arm that is still open.")


@pytest.mark.parametrize(
    ("gain", "noise", "seeds", "own", "begins"),
    [
        (0.0, 0.02, 8, "standard 0.5", "Keep your network as it is written (standard 0.5) for now."),
        (0.0, 0.02, 8, "", "Keep the baseline (no dropout) for now."),
        (-0.05, 0.002, 3, "standard 0.5", "Keep your network as it is written (standard 0.5) for now."),  # unconfirmed
        (-0.05, 0.002, 8, "standard 0.5", "Keep the baseline (no dropout)."),
        (0.05, 0.002, 8, "standard 0.5", "Use standard 0.5"),
    ],
)
def test_a_network_keeps_its_dropout_unless_it_is_shown_to_do_harm(
    fake: Any, put: Any, store: Any, gain: float, noise: float, seeds: int, own: str, begins: str
) -> None:
    luck = random.Random(1)
    for seed in range(seeds):
        put(fake(seed, test=0.8, val=0.8))
        got = 0.8 + gain + luck.gauss(0, noise)
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, test=got, val=got))
    (comparison,) = report.build([store.root]).comparisons
    assert todo(comparison, own).startswith(begins)
