"""The heading of a page says what its table says, in every case that there is."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from dropbench import report
from dropbench.report.tables.answer import answer
from dropbench.report.tables.facts import ranked
from dropbench.report.tables.finding import Finding, finding

Arms = dict[tuple[str, float], float]


@pytest.fixture
def found(fake: Any, put: Any, store: Any) -> Any:
    """The finding of arms, {(variant, rate): what it adds}, beside none under some seeds whose differences move by `noise`."""

    def make(arms: Arms, seeds: int = 8, noise: float = 0.002, **fields: Any) -> Finding:
        luck = random.Random(1)
        for seed in range(seeds):
            base = 0.8 + luck.gauss(0, 0.01)
            put(fake(seed, test=base, val=base))
            for (variant, rate), plus in arms.items():
                score = min(1.0, base + plus + luck.gauss(0, noise))
                put(fake(seed, changes={"dropout": variant, "dropout.rate": rate}, test=score, val=score, **fields))
        (comparison,) = report.build([store.root]).comparisons
        return finding(comparison)

    return make


def fact(told: Finding, name: str) -> tuple[str, str]:
    return next((f.value, f.detail) for f in told.facts if f.name == name)


def test_an_arm_that_is_better(found: Any) -> None:
    told = found({("standard", 0.5): 0.03})
    assert told.heading == "standard 0.5 does better than no dropout"
    assert fact(told, "Best")[0] == "standard 0.5" and "points" in fact(told, "Best")[1]
    assert fact(told, "How sure")[0] == "confirmed"
    assert fact(told, "Avoid") == ("nothing", "no arm is shown to do worse than no dropout")
    assert fact(told, "Cost")[0] == "16 runs"


def test_better_and_worse(found: Any) -> None:
    told = found({("standard", 0.1): 0.03, ("gaussian", 0.1): 0.04, ("standard", 0.5): -0.05})
    assert told.heading == "gaussian 0.1 and standard 0.1 do better than no dropout; standard 0.5 does worse"
    value, detail = fact(told, "Avoid")
    assert value == "standard 0.5" and detail.endswith("against no dropout; confirmed")
    assert "\N{MINUS SIGN}5." in detail or "\N{MINUS SIGN}4." in detail


def test_what_validation_chose_is_named_before_what_the_test_likes(fake: Any, put: Any, store: Any) -> None:
    luck = random.Random(3)
    for seed in range(8):
        base = 0.8 + luck.gauss(0, 0.01)
        put(fake(seed, test=base, val=base))
        for rate, val, test in ((0.1, 0.05, 0.03), (0.3, 0.02, 0.06), (0.5, 0.01, 0.0)):
            changes = {"dropout": "standard", "dropout.rate": rate}
            put(fake(seed, changes=changes, val=base + val, test=base + test + luck.gauss(0, 0.002)))
    (comparison,) = report.build([store.root]).comparisons
    assert ranked(comparison.verdicts)[0] == "standard 0.3"
    assert finding(comparison).heading.startswith("standard 0.1 and standard 0.3 do better than no dropout")


@pytest.mark.parametrize(
    ("arms", "seeds", "noise", "heading"),
    [
        ({("standard", 0.5): -0.05}, 8, 0.002, "standard 0.5 does worse than no dropout"),
        ({("standard", 0.5): -0.05, ("standard", 0.9): -0.2}, 8, 0.002, "Both arms do worse than no dropout"),
        ({("standard", 0.5): 0.05}, 3, 0.002, "standard 0.5 seems to do better than no dropout, not yet confirmed"),
        ({("standard", 0.5): -0.05}, 3, 0.002, "standard 0.5 does worse than no dropout, not yet confirmed"),
        ({("standard", 0.5): 0.0}, 8, 0.05, "8 seeds cannot tell whether standard 0.5 beats no dropout"),
        (
            {("standard", 0.5): 0.0, ("gaussian", 0.5): 0.0},
            8,
            0.05,
            "8 seeds cannot tell whether any arm beats no dropout",
        ),
        (
            {("standard", 0.5): -0.05, ("standard", 0.1): 0.0},
            8,
            0.02,
            "No arm is shown to do better than no dropout; 1 of 2 does worse",
        ),
    ],
)
def test_headings(found: Any, arms: Arms, seeds: int, noise: float, heading: str) -> None:
    assert found(arms, seeds, noise).heading == heading


def test_where_no_arm_is_ahead_the_baseline_is_best(found: Any) -> None:
    told = found({("standard", 0.5): -0.05, ("standard", 0.9): -0.2})
    value, detail = fact(told, "Best")
    assert value == "no dropout" and re.fullmatch(r"(79|80)\.\d %; no arm has a better mean", detail)
    assert fact(told, "Avoid")[0] == "2 of 2 arms"


def test_an_arm_that_cannot_be_told_from_the_baseline_is_not_called_the_best(found: Any) -> None:
    told = found({("standard", 0.5): 0.02}, 8, 0.05)
    assert told.heading == "8 seeds cannot tell whether standard 0.5 beats no dropout"
    value, detail = fact(told, "Best")
    assert value == "not known" and detail.startswith("standard 0.5 has +") and detail.endswith(", which may be chance")


def test_few_seeds_are_said_to_be_few(found: Any) -> None:
    told = found({("standard", 0.5): 0.05}, 3)
    assert fact(told, "How sure") == ("not confirmed", "3 seeds; nothing is confirmed with fewer than 6")


def test_a_heading_counts_the_arms_that_are_confirmed(found: Any, fake: Any, put: Any, store: Any) -> None:
    found({("standard", 0.5): -0.05, ("standard", 0.9): -0.2})
    for seed in range(2):
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.1}, test=0.6 + seed / 100, val=0.6))
    (comparison,) = report.build([store.root]).comparisons
    assert finding(comparison).heading == "All 3 arms do worse than no dropout (2 confirmed)"


def test_arms_with_few_seeds_beside_others_are_told_apart(found: Any, fake: Any, put: Any, store: Any) -> None:
    found({("standard", 0.5): -0.05, ("standard", 0.9): -0.2})
    for seed in range(2):
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.1}, test=0.8 + seed / 100, val=0.8))
    (comparison,) = report.build([store.root]).comparisons
    told = finding(comparison)
    assert fact(told, "How sure") == (
        "2 of 3 arms confirmed",
        "standard 0.1 has 2 seeds; nothing is confirmed with fewer than 6",
    )
    assert answer(comparison).endswith(" Of standard 0.1 nothing is confirmed: it takes at least 6 seeds.")


@pytest.mark.parametrize(
    ("records", "heading"),
    [
        ([{"status": "diverged"}], "Every run diverged: there is nothing to compare"),
        ([{"status": "diverged"}, {"status": "failed"}], "Every run failed or diverged: there is nothing to compare"),
        ([{}], "Only none was run: there is nothing to compare it with"),
        ([{"changes": {"dropout": "standard", "dropout.rate": 0.5}}], "1 arm, and none to compare it with"),
    ],
)
def test_nothing_to_compare(fake: Any, put: Any, store: Any, records: list[Any], heading: str) -> None:
    put(*(fake(seed, **fields) for seed, fields in enumerate(records)))
    (comparison,) = report.build([store.root]).comparisons
    told = finding(comparison)
    assert told.heading == heading
    assert [f.name for f in told.facts] == ["Cost"]


def test_an_arm_that_diverged_is_to_be_avoided(fake: Any, put: Any, store: Any) -> None:
    for seed in range(8):
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        put(fake(seed, test=0.9 + 0.001 * seed), fake(seed, changes=changes, status="diverged", metrics={}))
    (comparison,) = report.build([store.root]).comparisons
    told = finding(comparison)
    assert told.heading == "standard 0.5 does worse than no dropout"
    assert fact(told, "Avoid") == ("standard 0.5", "diverged under 8 seeds; confirmed")
    assert fact(told, "Cost")[1].endswith("8 diverged")


def test_where_nothing_is_decided_the_boxes_are_about_the_best_mean_whichever_rate_validation_chose(
    fake: Any, put: Any, store: Any
) -> None:
    luck = random.Random(0)
    for seed in range(10):
        put(fake(seed, val=0.8, test=0.8))
        for rate, val, gain in ((0.25, 0.81, 0.004), (0.5, 0.82, -0.004)):
            changes = {"dropout": "standard", "dropout.rate": rate}
            put(fake(seed, changes=changes, val=val, test=0.8 + gain + luck.gauss(0, 0.02)))
    (comparison,) = report.build([store.root]).comparisons
    means = {label: v.difference.mean for label, v in comparison.verdicts.items()}
    assert [c.chosen for c in comparison.choices] == ["standard 0.5"] and means["standard 0.5"] < means["standard 0.25"]
    told = finding(comparison)
    assert means["standard 0.25"] > 0 and fact(told, "Best")[1].startswith("standard 0.25 has +")
    assert "leave standard 0.25 open" in fact(told, "How sure")[1]


def test_the_baseline_is_no_dropout_unless_another_arm_has_none_either(fake: Any, put: Any, store: Any) -> None:
    for seed in range(2):
        put(fake(seed, changes={"train.lr": 0.1}), fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}))
    plain = report.build([store.root]).comparisons
    assert {c.base for c in plain if c.baseline == "none"} == {"no dropout"}
    for seed in range(2):
        put(fake(seed), fake(seed, changes={"train.weight_decay": 0.01}))
    assert "none" in {c.base for c in report.build([store.root]).comparisons}


def test_the_sentence_says_what_was_run(found: Any) -> None:
    told = found({("standard", 0.5): 0.0})
    assert told.setting.startswith(
        "Model mlp, trained for 50 epochs on data mnist (1000 training examples): 2 arms (the settings compared), 8 seeds "
        "(random starts)."
    )
    assert "Each is compared with none (no dropout) by test accuracy" in told.setting


def test_running_text_is_counted_in_words(fake: Any, put: Any, store: Any) -> None:
    for seed in range(2):
        put(fake(seed, changes={"data.window": 35}))
    (comparison,) = report.build([store.root]).comparisons
    assert "(1000 training words)" in finding(comparison).setting


@pytest.mark.parametrize(
    ("patience", "ran", "says"),
    [
        (None, [50], "trained for 50 epochs on data"),
        (10, [50], "trained for 50 epochs on data"),
        (10, [44, 30, 21], "trained for at most 50 epochs, stopped early after 21 to 44, on data"),
        (10, [30], "trained for at most 50 epochs, stopped early after 30, on data"),
        (10, [50, 30], "trained for at most 50 epochs, 8 of 16 runs stopped early after 30, on data"),
        (None, [30], "trained for at most 50 epochs, ended after 30, on data"),
    ],
)
def test_how_long_runs_were_trained(
    fake: Any, put: Any, store: Any, patience: int | None, ran: list[int], says: str
) -> None:
    for seed in range(8):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate, "train.patience": patience}
            put(fake(seed, changes=changes, epochs_run=ran[seed % len(ran)], chosen_epoch=5))
    (comparison,) = report.build([store.root]).comparisons
    assert f"Model mlp, {says} mnist" in finding(comparison).setting


def test_a_run_that_diverged_did_not_stop_early(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(seed, changes={"train.patience": 10}) for seed in range(7)))
    put(fake(7, changes={"train.patience": 10}, status="diverged", epochs_run=2))
    (comparison,) = report.build([store.root]).comparisons
    assert "trained for 50 epochs on data" in finding(comparison).setting


def test_seeds_that_only_some_arms_have_are_told_apart_from_those_compared(fake: Any, put: Any, store: Any) -> None:
    changes = {"dropout": "standard", "dropout.rate": 0.5}
    put(*(fake(seed) for seed in range(9)), *(fake(seed, changes=changes) for seed in range(2, 10)))
    (comparison,) = report.build([store.root]).comparisons
    said = "2 arms (the settings compared), 10 seeds (random starts), of which each arm shares at least 7 with none."
    assert said in finding(comparison).setting


def test_a_gain_that_is_excluded_is_no_open_question(found: Any) -> None:
    """The interval reaches from a loss to less than a gain that matters: not shown to be worse, and certainly not better."""
    told = found({("standard", 0.5): -0.004, ("standard", 0.1): -0.004}, seeds=12, noise=0.004)
    assert told.heading == "No arm does better than no dropout by more than 0.2 points"
    assert fact(told, "How sure")[0] == "a gain is excluded"


def test_the_cost_says_that_it_is_no_time_on_the_clock(found: Any) -> None:
    assert fact(found({("standard", 0.5): 0.0}), "Cost")[1] == "56 s of training on cpu, added up over all processes"
