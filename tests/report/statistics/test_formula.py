"""Contrasts as they were written: values beside Python's own arithmetic, units, directions, and seeds that diverged."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.errors import UsageError
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Scores
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.grammar import Best, parse, scores
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

ACCURACY = Declaration("higher", (0, 1), "percent", "0.2pp")
METRICS = {
    "accuracy": ACCURACY,
    "fgsm_accuracy": ACCURACY,
    "loss": Declaration("lower", (0, None), "nats"),
    "log_odds": Declaration("higher"),
    "gini": Declaration("neither", (0, 1)),
}
MEASURES = {
    f"{part}_{metric}": Measure(part, metric, d)
    for metric, d in METRICS.items()
    for part in ("train", "val", "test", "gap")
}
Table = Mapping[str, Mapping[str, Scores]]
"""{label: {measure: {seed: score}}}"""


def formula(text: str, **candidates: tuple[str, ...]) -> Formula:
    """candidates: of `best`, by the text it chooses from."""
    node = parse(text)
    return Formula(node, MEASURES, {s.arm: candidates[s.arm.of] for s in scores(node) if isinstance(s.arm, Best)})


def values(asked: Formula, table: Table) -> dict[int, float]:
    return asked.values(lambda label, measure: table.get(label, {}).get(str(measure), {}))


def random_table(labels: str, seeds: int = 6) -> Table:
    noise = random.Random(3)
    return {a: {m: {s: noise.uniform(0.1, 0.9) for s in range(seeds)} for m in MEASURES} for a in labels}


@pytest.mark.parametrize(
    "text",
    [
        "a.test_accuracy - b.test_accuracy",
        "(a.test_accuracy - b.test_accuracy) - (c.test_accuracy - d.test_accuracy)",
        "(a.test_loss - b.test_loss) / b.test_loss",
        "a.train_loss / a.test_loss - b.train_loss / b.test_loss",
        "-a.gap_accuracy * 2 + 0.5 * (b.gap_accuracy + c.gap_accuracy) / 1.5",
        "a.test_accuracy - 0.9",
        "1 - 2 * 3 + a.test_log_odds - 4 / 8",
    ],
)
def test_values_are_those_of_pythons_own_arithmetic(text: str) -> None:
    table = random_table("abcd")
    found = values(formula(text), table)
    for seed in range(6):
        arms = {a: SimpleNamespace(**{m: by_seed[seed] for m, by_seed in table[a].items()}) for a in table}
        assert found[seed] == pytest.approx(eval(text, {}, arms), rel=1e-12)


def test_a_seed_counts_where_all_that_is_needed_has_finished() -> None:
    table = {
        "a": {"test_loss": {3: 1.0, 0: 2.0, 1: 3.0, 4: 9.0}},
        "b": {"test_loss": {0: 0.5, 1: math.nan, 3: 0.25}},
    }
    found = values(formula("a.test_loss - 2 * b.test_loss"), table)
    assert found == {0: 1.0, 3: 0.5} and list(found) == [0, 3]
    assert values(formula("a.test_loss - c.test_loss"), table) == {}


def test_division_by_nothing_is_no_number_and_makes_no_mean() -> None:
    table = {"a": {"test_loss": dict.fromkeys(range(8), 1.0)}, "b": {"test_loss": {s: float(s) for s in range(8)}}}
    asked = formula("a.test_loss / b.test_loss - 1")
    assert math.isnan(values(asked, table)[0]) and values(asked, table)[4] == -0.75
    (found,) = judged([asked], lambda label, measure: table[label][str(measure)], 0.0)
    assert math.isnan(found.difference.mean) and not found.confirmed


@pytest.mark.parametrize(
    ("text", "unit", "points", "direction"),
    [
        ("a.test_accuracy - b.test_accuracy", "percent", "points", 1),
        ("a.test_loss - b.test_loss", "nats", "", -1),
        ("0.3 - a.test_loss", "nats", "", 1),
        ("-a.test_accuracy + b.test_accuracy", "percent", "points", -1),
        ("(a.test_loss - b.test_loss) - (c.test_loss - d.test_loss)", "nats", "", -1),
        ("a.gap_accuracy", "percent", "points", -1),
        ("a.train_accuracy - a.test_accuracy", "percent", "points", 0),
        ("a.test_accuracy - b.train_accuracy", "percent", "points", 1),
        ("a.test_accuracy - a.test_fgsm_accuracy", "percent", "points", 0),
        ("a.test_gini - b.test_gini", "gini", "", 0),
        ("a.test_accuracy / b.test_accuracy - 1", "", "", 1),
        ("1 - b.test_accuracy / a.test_accuracy", "", "", -1),
        ("(a.test_loss - b.test_loss) / b.test_loss", "", "", -1),
        ("a.test_log_odds * b.test_log_odds - 1", "", "", 0),
        ("1 / a.test_loss - 1 / b.test_loss", "", "", 1),
        ("a.test_accuracy * b.test_loss / c.test_loss - d.test_accuracy", "percent", "points", 1),
    ],
)
def test_unit_and_which_way_is_better_for_the_first_arm(text: str, unit: str, points: str, direction: int) -> None:
    asked = formula(text)
    assert (asked.unit, asked.measure.points, asked.measure.direction) == (unit, points, direction)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.test_accuracy - b.test_loss", "adds percent to nats"),
        ("a.test_accuracy / b.test_accuracy - c.test_loss", "adds a number without a unit to nats"),
        ("a.test_accuracy * b.test_loss + c.test_loss / d.test_accuracy", "adds percent × nats to nats / percent"),
        ("a.test_gini - a.test_log_odds", "adds gini to log odds"),
        ("a.test_accuracy", "never below 0; write a.test_accuracy - none.test_accuracy"),
        ("a.test_accuracy / b.test_accuracy", "never below 0; write a.test_accuracy / b.test_accuracy - 1"),
        ("-a.test_loss - b.test_loss", "never above 0"),
        ("best('x', by=test_loss).test_loss - a.test_loss", "'by=test_loss' is not measured on validation data"),
        ("best('x', by=val_gini).test_loss - a.test_loss", "'by=val_gini' does not say which way is better"),
    ],
)
def test_what_makes_no_contrast(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        formula(text, x=("a", "b"))


SIDES = st.dictionaries(st.integers(0, 7), st.floats(0, 1) | st.just(math.nan), max_size=8)


@given(
    SIDES,
    SIDES,
    st.sets(st.integers(0, 9)),
    st.sets(st.integers(0, 9)),
    st.sampled_from(["test_accuracy", "test_loss"]),
)
def test_arm_minus_arm_is_minus(a: Scores, b: Scores, bad_a: set[int], bad_b: set[int], name: str) -> None:
    """The same question as a formula and as the class that tables use: values, samples, lost seeds, judgement."""
    measure, diverged = MEASURES[name], {"a": bad_a - a.keys(), "b": bad_b - b.keys()}
    asked, known = formula(f"a.{name} - b.{name}"), Minus("a", "b", measure)

    def scored(label: str, _: Measure) -> Scores:
        return {"a": a, "b": b}[label]

    assert asked.measure == measure and asked.values(scored) == known.values(scored)
    assert asked.lost(scored, lambda label: diverged[label]) == known.lost(scored, lambda label: diverged[label])
    for ours, theirs in zip(asked.samples(scored), known.samples(scored), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_seed_that_diverged_counts_on_the_side_of_its_arm() -> None:
    """Of a difference of differences: the gain of b over a, less that of d over c."""
    table = {arm: {"test_loss": dict.fromkeys(range(9), 1.0)} for arm in "abcd"}
    gone = {"b": {0, 4, 5}, "a": {1, 4, 6}, "d": {2, 5}, "c": {3, 6, 7}}
    for arm, seeds in gone.items():
        for seed in seeds:
            del table[arm]["test_loss"][seed]
    del table["d"]["test_loss"][7]  # failed: says nothing, and so does the seed
    asked = formula("(b.test_loss - a.test_loss) - (d.test_loss - c.test_loss)")
    lost, runs = asked.lost(lambda label, measure: table[label][str(measure)], lambda label: gone[label])
    worst = math.inf
    assert lost == {0: -worst, 1: worst, 2: worst, 3: -worst, 4: 0.0, 5: 0.0, 6: 0.0}
    assert runs == (6, 5)
    assert values(asked, table) == {8: 0.0}


def test_an_arm_that_pulls_both_ways_loses_nothing() -> None:
    table = {"a": {"test_loss": {0: 1.0, 2: 1.0}}, "b": {"test_loss": {0: 1.0, 1: 1.0}, "train_loss": {0: 1.0, 1: 1.0}}}
    asked = formula("a.test_loss - (b.test_loss - b.train_loss)")
    lost, _ = asked.lost(lambda label, m: table[label].get(str(m), {}), lambda label: {"a": [1], "b": [2]}[label])
    assert lost == {1: -math.inf}, "a diverged under seed 1; what b's seed 2 says is not known"


def test_best_is_chosen_under_each_seed_by_the_others() -> None:
    table = {
        "a": {"val_loss": {0: 1.0, 1: 1.0, 2: 9.0}, "test_loss": {0: 10.0, 1: 11.0, 2: 12.0}},
        "b": {"val_loss": {0: 2.0, 1: 2.0, 2: 2.0}, "test_loss": {0: 20.0, 1: 21.0, 2: 22.0}},
        "none": {"test_loss": {0: 0.0, 1: 0.0, 2: 0.0}},
    }
    asked = formula("best('x', by=val_loss).test_loss - none.test_loss", x=("a", "b"))
    # Without seed 0 or 1 the mean of a is 5, without seed 2 it is 1; that of b is 2.
    assert values(asked, table) == {0: 20.0, 1: 21.0, 2: 12.0}
    assert asked.choices(lambda label, m: table[label][str(m)]) == {
        next(scores(asked.node)).arm: Counter({"b": 2, "a": 1})
    }
    alone = {arm: {m: {0: by_seed[0]} for m, by_seed in of.items()} for arm, of in table.items()}
    assert values(asked, alone) == {}, "one seed has no others to choose by"


def test_what_best_takes_may_have_diverged() -> None:
    table = {
        "a": {"val_loss": {1: 1.0, 2: 1.0, 3: 1.0}, "test_loss": {1: 10.0, 2: 11.0, 3: 12.0}},
        "b": {"val_loss": {0: 2.0, 1: 2.0, 2: 2.0}, "test_loss": {0: 20.0, 1: 21.0, 2: 22.0}},
        "none": {"test_loss": dict.fromkeys(range(4), 5.0)},
    }
    asked = formula("best('x', by=val_loss).test_loss - none.test_loss", x=("a", "b"))
    assert values(asked, table) == {1: 5.0, 2: 6.0, 3: 7.0}
    lost, runs = asked.lost(
        lambda label, m: table[label].get(str(m), {}), lambda label: {"a": [0], "b": [3]}.get(label, [])
    )
    assert (lost, runs) == ({0: -math.inf}, (1, 0)), "under seed 3 a is taken, so that b is no loss"


def test_a_choice_by_the_others_is_no_merit() -> None:
    """Alike arms, whose validation and test scores share a run's luck: 2,000 studies of 8 seeds and 6 arms.

    Chosen by all seeds, the mean of the chosen arm is above that of any arm; chosen by the others it is not. The standard
    error of a mean over the studies is 1/sqrt(8 · 2000) = .008.
    """
    rng = np.random.default_rng(0)
    labels = tuple("abcdef")
    asked = formula("best('x', by=val_log_odds).test_log_odds - 0", x=labels)
    by_others, by_all = [], []
    for _ in range(2_000):
        luck = rng.normal(size=(8, 6))
        table = {
            label: {m: dict(enumerate(luck[:, i])) for m in ("val_log_odds", "test_log_odds")}
            for i, label in enumerate(labels)
        }
        by_others.append(np.mean([*values(asked, table).values()]))
        by_all.append(luck[:, luck.mean(0).argmax()].mean())
    assert abs(np.mean(by_others)) < 0.03
    assert np.mean(by_all) > 0.4


ODD = {
    arm: {
        name: {s: v + i / 8 for s, v in enumerate((0.0, 0.5, 1.0, math.inf, math.nan, -2.0, 0.25))} for name in MEASURES
    }
    for i, arm in enumerate("abc")
}
TEXTS = st.recursive(
    st.builds("{}.{}".format, st.sampled_from("abc"), st.sampled_from([*MEASURES]))
    | st.sampled_from(["0", "1", "0.5"]),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner) | inner.map("-{}".format),
    max_leaves=8,
).filter(lambda text: "_" in text)


@given(TEXTS, st.sets(st.integers(7, 9)))
def test_whatever_is_written_is_judged_or_refused_in_a_sentence(text: str, gone: set[int]) -> None:
    """With scores that are infinite, missing, negative and nothing, and seeds that diverged."""
    try:
        asked = formula(text)
    except UsageError as error:
        assert str(error)
        return
    (found,) = judged([asked], lambda label, m: ODD[label][str(m)], 0.01, lambda label: gone if label == "a" else ())
    for seed, value in found.values.items():
        arms = {a: SimpleNamespace(**{m: of[seed] for m, of in ODD[a].items()}) for a in ODD}
        try:
            right = eval(text, {}, arms)
        except ZeroDivisionError:
            right = math.nan
        assert value == right or (math.isnan(value) and math.isnan(right))
    assert found.measure.direction in (-1, 0, 1) and str(found)


@given(st.dictionaries(st.integers(0, 20), st.floats(-5, 5), min_size=1, max_size=9))
def test_a_spread_is_the_distance_from_the_median(scores: dict[int, float]) -> None:
    """Its mean is what Brown & Forsythe compare: SciPy's `levene(center="median")` is F of just these numbers."""
    found = values(formula("spread(a.test_loss) - 1"), {"a": {"test_loss": scores}})
    middle = float(np.median([*scores.values()]))
    assert found == pytest.approx({seed: abs(value - middle) - 1 for seed, value in scores.items()})


def test_a_spread_is_neither_better_nor_worse_and_never_below_0() -> None:
    assert formula("spread(a.test_loss) - spread(b.test_loss)").measure.direction == 0
    with pytest.raises(UsageError, match="compares nothing"):
        formula("spread(a.test_log_odds)")
    with pytest.raises(UsageError, match="compares nothing"):
        formula("-spread(a.gap_loss)")


def test_one_metric_is_one_unit_whatever_predictions_it_is_of() -> None:
    measures = {
        str(m): m
        for m in (
            Measure("test", n, Declaration("higher", (0, 1)))
            for n in ("mc_ece", "ece", "ood_x_mc_auroc", "ood_x_auroc")
        )
    }
    for text in ("a.test_mc_ece - a.test_ece", "a.test_ood_x_mc_auroc - a.test_ood_x_auroc"):
        assert Formula(parse(text), measures, {}).in_unit_of is not None
    with pytest.raises(UsageError, match="adds ece to auroc"):
        Formula(parse("a.test_ece - a.test_ood_x_auroc"), measures, {})
