"""Each rule on records made for it, on records that just miss it, and on real runs where what it names happens."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report
from dropbench.report.tables.comparison import Diagnosis

SEEDS = range(8)
WOBBLE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.001, 0.003, -0.002)
"""Small differences from seed to seed, summing to .001."""


@pytest.fixture
def arm(fake: Any, store: Any) -> Callable[..., None]:
    """Stores an arm: its mean scores, and a history of its validation accuracies or whatever columns are given."""

    def put(
        variant: str,
        rate: float = 0.5,
        *,
        train: float = 0.99,
        val: float = 0.9,
        test: float | None = None,
        seeds: Sequence[int] = SEEDS,
        turn: int = 0,
        curves: dict[str, Sequence[float]] | None = None,
        status: dict[int, str] | None = None,
        **changes: Any,
    ) -> None:
        for s in seeds:
            wobble = WOBBLE[(s + turn) % 8]
            rate = 0.0 if variant == "none" else rate
            record = fake(
                s,
                changes={"dropout": variant, "dropout.rate": rate}
                | {k.replace("__", "."): v for k, v in changes.items()},
                train=train + wobble / 4,
                val=val + wobble,
                test=(val if test is None else test) + wobble,
                status=(status or {}).get(s, "completed"),
            )
            columns = curves or {}
            n = max(map(len, columns.values()), default=0)
            rows = [{"epoch": i + 1, **{k: v[i] for k, v in columns.items()}} for i in range(n)]
            store.write(record, rows, "")

    return put


def found(store: Any, **asked: Any) -> list[Diagnosis]:
    (comparison,) = report.build([store.root], **asked).comparisons
    assert comparison.diagnosis is not None
    return list(comparison.diagnosis)


def rules(store: Any, **asked: Any) -> list[str]:
    return [d.rule for d in found(store, **asked)]


# The rules


def test_no_overfitting_to_fix(arm: Any, store: Any) -> None:
    arm("none", train=0.902, val=0.9)
    arm("standard", train=0.902, val=0.9, turn=3)
    first, *_ = found(store)
    assert first.rule == "no overfitting to fix" and first.arms == ("none",)
    assert "gap of +0.2 points (95 % interval" in first.says and "training accuracy of 90.2 %" in first.says
    assert [s.config["train"]["epochs"] for s in first.steps] == [100]
    assert first.steps[0].config["dropout"]["name"] == "none" and first.steps[0].seeds == tuple(SEEDS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"train": 0.93}, "a gap of three points"),
        ({"train": 0.87}, "a gap the other way round is no proof of anything"),
        ({"train": 0.902, "seeds": range(5)}, "five seeds"),
        ({"train": 0.902, "data__label_noise": 0.2}, "wrong labels lower the training score"),
    ],
)
def test_not_of_a_gap_that_may_be_something(arm: Any, store: Any, changes: dict[str, Any], why: str) -> None:
    arm("none", **changes)
    arm("standard", **(changes | {"turn": 3}))
    assert "no overfitting to fix" not in rules(store), why


def test_nothing_to_win_is_not_said_where_an_arm_won(arm: Any, store: Any) -> None:
    arm("none", train=0.902, val=0.9)
    arm("standard", train=0.94, val=0.95, turn=3)
    assert rules(store) == ["helping"]


def test_helping_goes_on_to_other_rates_and_then_to_fresh_seeds(arm: Any, store: Any) -> None:
    arm("none", val=0.9)
    arm("standard", 0.5, val=0.92, turn=3)
    (d,) = found(store)
    assert (d.rule, d.arms) == ("helping", ("standard 0.5",))
    assert re.search(r"test accuracy by \+2\.00 points \(95 % interval \+1\.\d+ to \+2\.\d+\), p = 0\.0078", d.says)
    assert [s.config["dropout"]["rate"] for s in d.steps] == [0.25, 0.75]
    arm("standard", 0.25, val=0.91, turn=5)
    both = found(store)
    assert [d.rule for d in both] == ["helping"] * 2
    for d in both:
        assert [s.config["dropout"]["name"] for s in d.steps] == ["none", "standard"]
        assert {s.seeds for s in d.steps} == {tuple(range(1000, 1008))}


def test_too_aggressive(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.88, turn=3)
    (d,) = found(store)
    assert (d.rule, d.arms, d.advice) == ("too aggressive", ("standard 0.5",), "halve the rate")
    assert "-5.00 points" in d.says and "validation gets worse too: -2.00 points" in d.says
    assert [s.config["dropout"]["rate"] for s in d.steps] == [0.25]


def test_too_aggressive_takes_both_halves(arm: Any, store: Any) -> None:
    """Lagging in training is what dropout does; validation that is equal, or that cannot be told, is not yet harm."""
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.92, turn=3)  # lags and helps
    arm("gaussian", 0.5, train=0.99, val=0.88, turn=3)  # harms and does not lag
    assert [(d.rule, d.arms) for d in found(store)] == [("helping", ("standard 0.5",))]


def test_lagging_is_no_harm_where_validation_cannot_be_told(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.902, turn=3)
    assert rules(store) == ["undecided"]


def test_training_lags_and_validation_stays_as_it_is(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.9)
    (d,) = found(store)
    assert d.rule == "too aggressive" and "does not improve by an amount that matters" in d.says


def test_a_rate_that_is_in_the_table_is_halved_again(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.89, val=0.85, turn=3)
    arm("standard", 0.25, train=0.94, val=0.88, turn=3)
    both = found(store)
    assert [d.rule for d in both] == ["too aggressive"] * 2
    assert {s.config["dropout"]["rate"] for d in both for s in d.steps} == {0.125}
    assert any("standard 0.25 is in the table already" in d.advice for d in both)


def test_rates_of_sites_are_halved_too(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.88, turn=3, dropout__rates={"input": 0.2, "*": 0.5})
    assert found(store)[0].steps[0].config["dropout"]["rates"] == {"input": 0.1, "*": 0.25}


def test_misplaced(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.86, turn=3, dropout__placement=["input"])
    arm("standard", 0.5, train=0.99, val=0.9, dropout__placement=["hidden.*"])
    first, *rest = found(store)
    assert first.rule == "misplaced"
    assert first.arms == ("standard 0.5 at [input]", "standard 0.5 at [hidden.*]")
    assert "hurts validation: -4.00 points" in first.says and "by +4.00 points" in first.says
    assert {s.config["dropout"]["rate"] for s in first.steps} == {0.25, 0.75}
    assert all(s.config["dropout"]["placement"] == ["hidden.*"] for s in first.steps)
    assert "standard 0.5 at [input]" not in {label for d in rest for label in d.arms}


@pytest.mark.parametrize("other", [{"dropout__rate": 0.2}, {"train__weight_decay": 0.1}])
def test_only_what_differs_in_placement_alone_is_misplaced(arm: Any, store: Any, other: dict[str, Any]) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.99, val=0.86, turn=3, dropout__placement=["input"])
    arm("standard", 0.5, train=0.99, val=0.9, dropout__placement=["hidden.*"], **other)
    assert "misplaced" not in rules(store)


def test_a_place_that_may_hurt_as_well_is_no_better_place(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.99, val=0.86, turn=3, dropout__placement=["input"])
    arm("standard", 0.5, train=0.99, val=0.898, turn=5, dropout__placement=["hidden.*"])
    assert "misplaced" not in rules(store)


def test_two_places_that_cannot_be_told_apart(arm: Any, store: Any) -> None:
    """One is worse than the baseline and the other is not, but the two may differ by no more than what does not matter."""
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.99, val=0.89, turn=1, dropout__placement=["input"])
    arm("standard", 0.5, train=0.99, val=0.897, dropout__placement=["hidden.*"])
    (comparison,) = report.build([store.root], rope="0.5pp").comparisons
    assert comparison.table.set_index("arm").loc["standard 0.5 at [input]", "verdict"] == "worse"
    assert "misplaced" not in rules(store, rope="0.5pp")


def rising(to: float, by: int, epochs: int = 50) -> dict[str, list[float]]:
    """Validation accuracy that rises in a line to a level, reached at this epoch."""
    return {"val_accuracy": [to * min(1.0, (i + 1) / by) for i in range(epochs)]}


@pytest.mark.parametrize(
    ("by", "advice", "lr", "epochs"), [(30, "learning rate", 0.002, 50), (48, "twice as long", 0.001, 100)]
)
def test_slower_but_not_worse(arm: Any, store: Any, by: int, advice: str, lr: float, epochs: int) -> None:
    arm("none", curves=rising(0.9, 10), train__lr=0.001)
    arm("standard", curves=rising(0.9, by), train__lr=0.001)
    (d,) = found(store)
    assert d.rule == "slower but not worse" and advice in d.advice
    assert f"takes {by}.0 epochs to reach the score that the baseline reaches in 10.0" in d.says
    assert {(s.config["train"]["lr"], s.config["train"]["epochs"]) for s in d.steps} == {(lr, epochs)}
    assert [s.config["dropout"]["name"] for s in d.steps] == ["none", "standard"]


@pytest.mark.parametrize(("by", "val"), [(11, 0.9), (30, 0.898), (5, 0.9)])
def test_not_of_an_epoch_more_nor_of_an_arm_that_may_be_worse(arm: Any, store: Any, by: int, val: float) -> None:
    arm("none", curves=rising(0.9, 10))
    arm("standard", val=val, turn=0 if val == 0.9 else 3, curves=rising(0.9, by))
    assert "slower but not worse" not in rules(store)


JUMPY = {"train_loss": [2.0, 1.0, 0.5, 1.6, 0.4], "grad_norm": [1.0, 1.1, 0.9, 13.0, 1.2]}
CALM = {"train_loss": [2.0, 1.0, 0.5, 0.6, 0.4], "grad_norm": [1.0, 1.1, 0.9, 3.0, 1.2]}


def test_unstable(arm: Any, store: Any) -> None:
    arm("none", curves=CALM)
    arm("standard", curves=CALM, seeds=range(3, 8))
    arm("standard", curves=JUMPY, seeds=range(2))
    arm("standard", curves=CALM, seeds=[2], status={2: "diverged"})
    d = next(d for d in found(store) if d.rule == "unstable")
    assert d.arms == ("standard 0.5",)
    assert d.says == (
        "3 of 8 runs of standard 0.5 were unstable (of none: 0 of 8): 1 diverged, 2 with a spike of the training loss, "
        "2 with a burst of the gradient."
    )
    assert [s.config["train"]["grad_clip"] for s in d.steps] == [1.0]


def test_a_loss_that_is_not_the_one_of_training_may_rise(arm: Any, store: Any) -> None:
    jumpy = {"train_loss": JUMPY["train_loss"], "grad_norm": CALM["grad_norm"]}
    arm("none", curves=CALM)
    arm("standard", curves=jumpy, train__class_weights="balanced")
    assert "unstable" not in rules(store)
    arm("standard", curves=jumpy, train__weight_decay=0.1)
    assert "unstable" in rules(store)


def test_one_bad_seed_is_an_accident(arm: Any, store: Any) -> None:
    arm("none", curves=CALM)
    arm("standard", curves=CALM, seeds=range(1, 8))
    arm("standard", curves=JUMPY, seeds=[0])
    assert "unstable" not in rules(store)


def test_undecided_says_so_and_how_many_more(arm: Any, store: Any) -> None:
    arm("none", val=0.9)
    arm("standard", val=0.902, turn=3)
    (d,) = found(store)
    assert d.rule == "undecided"
    assert "still open whether test accuracy changes by more than 0.2 points: standard 0.5 +0.20 points" in d.says
    (row,) = [r for r in report.build([store.root]).comparisons[0].table.to_dict("records") if r["verdict"]]
    if row["seeds_likely"] > 100:  # as many as the table has
        assert f"about {row['seeds_even']:,.0f} seeds in all would settle standard 0.5" in d.advice and not d.steps
    else:
        assert {s.seeds for s in d.steps} == {tuple(range(8, int(row["seeds_likely"])))}


def test_with_few_seeds_nothing_is_diagnosed_but_that(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9, seeds=range(5), curves=rising(0.9, 10))
    arm("standard", 0.5, train=0.5, val=0.5, seeds=range(5), turn=3, curves=rising(0.9, 50))
    arm("standard", 0.25, train=0.99, val=0.995, seeds=range(5), turn=3, curves=rising(0.9, 50))
    (d,) = found(store)
    assert d.rule == "undecided" and "A confirmed verdict takes six seeds; here are 5." in d.says
    assert {s.seeds for s in d.steps} == {(5, 6, 7, 8, 9)} and len(d.steps) == 3


def test_no_rule_fits_equal_arms(arm: Any, store: Any) -> None:
    arm("none")
    arm("standard")
    assert found(store) == []
    text = " ".join(report.render(report.build([store.root]), "rich", 80).split())
    assert "no arm is better than no dropout. Next: keep no dropout." in text


def test_by_loss_better_is_lower(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.89, val=0.8, turn=3)
    arm("standard", 0.25, train=0.99, val=0.95, turn=3)
    assert [(d.rule, d.arms[0]) for d in found(store, metric="loss")] == [
        ("helping", "standard 0.25"),
        ("too aggressive", "standard 0.5"),
    ]


def test_an_arm_that_is_the_baselines_runs_needs_no_more_of_them(
    fake: Any, fake_plan: Any, put: Any, store: Any
) -> None:
    ours = [fake(s, test=0.9 + WOBBLE[s]) for s in SEEDS]
    others = [fake(s, changes={"dropout": "standard"}, test=0.9 - WOBBLE[s]) for s in SEEDS]
    put(*ours, *others)
    (comparison,) = report.for_plan(store, fake_plan({"none": ours, "same": ours, "other": others})).comparisons
    told = {d.rule: d for d in comparison.diagnosis or ()}
    assert told["same runs"].arms == ("same",) and not told["same runs"].steps
    assert told["undecided"].arms == ("other",)


def test_without_a_baseline_nothing(arm: Any, store: Any) -> None:
    arm("standard", 0.25)
    arm("standard", 0.5)
    assert found(store) == []
    assert "Diagnosis" not in report.render(report.build([store.root]), "rich", 80)


# How it is told


def test_formats(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    arm("standard", 0.5, train=0.94, val=0.88, turn=3)
    made = report.build([store.root])
    rich, markdown = report.render(made, "rich", 80), report.render(made, "markdown")
    assert "\n Diagnosis\n Too aggressive. standard 0.5 lags in training" in rich
    assert "**Diagnosis**\n\n- **Too aggressive.** standard 0.5" in markdown
    (told,) = json.loads(report.render(made, "json"))["comparisons"][0]["diagnosis"]
    assert told["rule"] == "too aggressive" and told["arms"] == ["standard 0.5"] and "steps" not in told


def test_many_arms_of_a_rule_are_named_and_not_gone_through(arm: Any, store: Any) -> None:
    arm("none", train=0.99, val=0.9)
    for i in range(6):
        arm("standard", 0.3 + 0.1 * i, train=0.89, val=0.8, turn=i + 1)
    text = report.render(report.build([store.root]), "markdown")
    assert text.count("**Too aggressive.** standard") == 3 and "**Too aggressive.** So are standard" in text


# Real runs


def swept(capsys: Any, *words: str) -> str:
    said = dropbench(capsys, "sweep", *words, "execute.workers=1", "device=cpu")
    assert said.code == 0, said.err
    return said.out


def test_a_command_runs_what_it_proposes_and_the_next_report_knows_it(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["data=wine", "model.widths=[16]", "train.epochs=3", "seed=range(0,6)", "train.lr=0.01"]
    out = swept(capsys, *words, "dropout=none,standard", "dropout.rate=0.9")
    assert "Too aggressive. standard 0.9" in out
    command = next(line.strip() for line in out.splitlines() if line.strip().startswith("dropbench sweep"))
    assert "dropout.rate=0.45" in command and "seed=range(0,6)" in command and "results=" not in command
    swept(capsys, *shlex.split(command)[2:])
    (comparison,) = report.build([Path("results")]).comparisons
    assert comparison.table["arm"].tolist() == ["none", "standard 0.45", "standard 0.9"]
    assert comparison.table["n"].tolist() == [6, 6, 6] and comparison.table["pairs"].tolist() == [0, 6, 6]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (r"Helping\. reduced", "study=three_arm data.n_train=300 data.label_noise=0.2"),
        (r"Slower but not worse\. target", "study=three_arm data.n_train=300 data.label_noise=0.2"),
        (r"Too aggressive\. target", "study=three_arm model.widths=[64] train.epochs=10"),
        (
            r"Misplaced\. standard 0\.8 at \[input\]",
            "dropout=none,standard dropout.rate=0.8 dropout.placement=[input],[hidden.0] model.widths=[512] "
            "data.n_train=300 data.label_noise=0.2 train.epochs=25 seed=range(0,16)",
        ),
        (
            # At this learning rate training is chaotic: how many runs go wrong depends on how a processor rounds.
            r"Unstable\. [2-8] of 8 runs of (none|standard 0\.5)",
            "dropout=none,standard dropout.rate=0.5 model.widths=[64,64] train.epochs=15 train.lr=0.1 seed=range(0,8)",
        ),
        (
            "Nothing learned",
            # It learns next to nothing, and so nothing by heart.
            "dropout=none,standard dropout.rate=0.25 model.widths=[64] train.epochs=10 train.optimizer=sgd train.lr=3 "
            "seed=range(0,8)",
        ),
        (
            r"Undecided\. It is still open whether test accuracy changes by more than 0\.2 points: standard 0\.3",
            "dropout=none,standard dropout.rate=0.3 model.widths=[512] data.n_train=500 train.epochs=40 "
            "train.weight_decay=0.05 train.lr=0.0003 seed=range(0,8)",
        ),
    ],
)
def test_real_runs(capsys: Any, tmp_path: Path, rule: str, words: str) -> None:
    out = swept(capsys, "data=digits", f"results={tmp_path}", *words.split())
    assert re.search(rule, re.sub(r"\s+", " ", out))
