"""Tables read aloud: every number of a row is said, in its digits, and no other verdict than the table's."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from typing import Any

import pytest

from dropbench import report
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.judged import judged
from dropbench.report.tables.columns import p_value, sheets, verdict_word
from dropbench.report.tables.judgement_in_words import apart, how_often, judgement
from dropbench.store import Measure as Declaration

ON = {"dropout": "standard", "dropout.rate": 0.5}
HALF = {"dropout": "standard", "dropout.rate": 0.25}
ACCURACY = Measure("test", "accuracy", Declaration("higher", unit="percent", region="0.2pp"))
LOSS = Measure("test", "loss", Declaration("lower", unit="nats", region="0.01"))
UNKNOWN = Measure("test", "odd", Declaration(region="0.01"))


def numbers(text: str) -> set[str]:
    """As they are written, signs included: `-0.20`, `<.0001`, `1,000`."""
    return set(re.findall(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?|<\.\d+", text))


def paragraphs(comparison: Any) -> dict[str, str]:
    return dict(comparison.explained)


def explained(store: Any, **options: Any) -> Any:
    (comparison,) = report.explained(report.build([store.root], **options)).comparisons
    return comparison


@pytest.fixture
def three(put: Any, fake: Any) -> Any:
    """Stores three arms: `effects` and `spread` in points, seeds each, and which of the arms' seeds diverged or failed."""

    def stored(
        effects: tuple[float, float] = (1.0, -2.0),
        spread: float = 0.5,
        seeds: tuple[range, range, range] = (range(8), range(8), range(8)),
        ended: dict[tuple[int, int], str] | None = None,
    ) -> None:
        noise = random.Random(str((effects, spread, seeds)))
        for arm, (changes, effect, its) in enumerate(zip(({}, HALF, ON), (0.0, *effects), seeds, strict=True)):
            for seed in its:
                scores = {
                    part: round(0.9 + effect / 100 + noise.gauss(0, spread / 100), 4)
                    for part in ("train", "val", "test")
                }
                status = (ended or {}).get((arm, seed), "completed")
                put(
                    fake(
                        seed, changes=changes, status=status, reason=None if status == "completed" else "why", **scores
                    )
                )

    return stored


CASES: dict[str, dict[str, Any]] = {
    "better and worse": {},
    "noise": {"effects": (0.05, -0.1), "spread": 1.0},
    "the same": {"effects": (0.0, 0.0), "spread": 0.01, "seeds": (range(20),) * 3},
    "few": {"effects": (1.0, -5.0), "spread": 0.2, "seeds": (range(3),) * 3},
    "one": {"seeds": (range(1),) * 3},
    "unpaired": {"seeds": (range(8), range(8), range(20, 27))},
    "all unpaired": {"seeds": (range(8), range(10, 18), range(20, 27))},
    "diverged": {"ended": {**{(2, s): "diverged" for s in range(7)}, (0, 7): "diverged", (1, 2): "failed"}},
    "diverged, unpaired": {"seeds": (range(8), range(8), range(20, 27)), "ended": {(2, 20): "diverged"}},
    "mostly diverged": {"ended": {(2, s): "diverged" for s in range(7)}},
    "no arm": {"ended": {(2, s): "diverged" for s in range(8)}},
    "failed": {"ended": {(1, s): "failed" for s in range(8)}},
    "equal": {"effects": (0.0, 0.0), "spread": 0.0},
}


@pytest.mark.parametrize("metric", [None, "loss", "gap_accuracy", "gap_loss", "val_loss"])
@pytest.mark.parametrize("case", CASES)
def test_every_number_of_the_tables_is_said_in_its_digits(
    three: Any, store: Any, case: str, metric: str | None
) -> None:
    three(**CASES[case])
    c = explained(store, metric=metric)
    told = paragraphs(c)
    assert re.findall(r".{30}(?:\bnan\b|\binf\b|  |\.\.)", " ".join(told.values())) == []
    for sheet in sheets(c):
        columns = [
            x for x in sheet.columns if "median" not in x.heading and x.heading[0] not in ("candidates", "pairs")
        ]
        sds = [i for i, x in enumerate(columns) if "sd" in x.heading]
        columns = [x for i, x in enumerate(columns) if i not in sds[1:]]  # that of the verdict's measure alone
        for row, label in enumerate(columns[0].cells):
            mine = " ".join(
                words for what, words in told.items() if what.startswith((f"{label} ", f"{label}:", "Chosen"))
            )
            cells = [x.cells[row] for x in columns[1:]]
            missing = numbers(" ".join(cells)) - numbers(mine) - {"0"}
            assert not missing, (missing, label, mine)
    for label, contrast in c.verdicts.items():
        words = told[f"{label} against none:"]
        verdict = re.search(r"Verdict: (.+?)(\.|, confirmed:|(?<=\?) Not confirmed:)", words)
        assert (verdict is None) == (contrast.direction == "")
        if verdict is not None:
            assert verdict[1] == verdict_word(contrast)
            assert (", confirmed:" in verdict[0]) == contrast.confirmed


@pytest.mark.parametrize(
    ("case", "arm", "words"),
    [
        (
            "better and worse",
            "standard 0.5",
            "Verdict: worse, confirmed: the whole interval lies beyond the ±0.2 points",
        ),
        ("noise", "standard 0.25", "Verdict: cannot tell. These seeds allow for a difference"),
        (
            "the same",
            "standard 0.25",
            "Verdict: about the same, confirmed: the whole interval lies within the ±0.2 points",
        ),
        ("few", "standard 0.5", "Verdict: worse? Not confirmed: it takes at least 6 seeds, and there are 3."),
        ("one", "standard 0.5", "With so few runs it may be chance: there is no interval and no p."),
        ("unpaired", "standard 0.5", "compared without pairs, since they share no seed"),
        ("all unpaired", "standard 0.5", "chance alone would produce a difference this clear in at most"),
        ("all unpaired", "standard 0.5", "such studies for any of 2 arms (p adjusted"),
        (
            "diverged",
            "standard 0.5",
            "Of the 8 seeds that both arms have, training broke down (diverged): 7 in it alone, 1 in none alone.",
        ),
        ("mostly diverged", "standard 0.5", "Verdict: worse, confirmed: by the order of all seeds"),
        ("diverged", "standard 0.5", "No seed finished in both arms, so there is no difference in numbers."),
        ("diverged, unpaired", "standard 0.5", "(diverged) in 1 of its runs and in 0 of those of none."),
        ("failed", "standard 0.25", "None of its runs can be compared with a run of none"),
        ("equal", "standard 0.25", "equal to none in the digits that are shown (+0.00 points), over the 8 seeds"),
    ],
)
def test_what_is_said_in_each_case(three: Any, store: Any, case: str, arm: str, words: str) -> None:
    three(**CASES[case])
    assert words in paragraphs(explained(store))[f"{arm} against none:"]


def test_scores_are_said_as_examples_that_are_right(three: Any, store: Any) -> None:
    three(ended={(1, 2): "failed", (1, 3): "diverged"})
    comparison = explained(store)
    told, scores = paragraphs(comparison), comparison.scores("none", comparison.measure)
    mean = 100 * sum(scores.values()) / 8
    assert f"8 runs finished. {mean:.1f} of 100 test examples were right on average" in told["none:"]
    assert told["none:"].endswith("It is the baseline, with which the others are compared.")
    assert told["standard 0.25:"].startswith(
        "6 runs finished; 1 failed and 1 diverged, and are left out of every mean."
    )
    assert {"Seed:", "Gap:", "Nats:"} <= told.keys()


@pytest.mark.parametrize("p", [1.0, 0.5, 0.0313, 0.0059, 0.002, 0.00195, 0.0001, 0.99996])
def test_a_probability_as_a_count_is_the_one_of_the_table(p: float) -> None:
    told = how_often(p)
    times, of = (
        (1, 1) if told == "every such study" else map(int, re.sub(",", "", told).split(" such")[0].split(" of "))
    )
    assert times / of == pytest.approx(float(p_value(p)), abs=1e-12)
    assert how_often(0.00002) == "fewer than 1 of 10,000 such studies"


def test_better_and_worse_follow_the_measure() -> None:
    assert apart(ACCURACY, -0.0111, "none") == "1.11 points worse than none (-1.11)"
    assert apart(ACCURACY, 0.0111, "none") == "1.11 points better than none (+1.11)"
    assert apart(LOSS, -0.05, "none") == "0.050 nats better than none (-0.050)"
    assert apart(LOSS, 0.05, "none") == "0.050 nats worse than none (+0.050)"
    assert apart(UNKNOWN, 0.05, "none") == "0.050 higher than none (+0.050)"
    for gap in (ACCURACY.on("gap"), LOSS.on("gap"), UNKNOWN.on("gap")):
        assert " lower than none (-" in apart(gap, -0.05, "none") and " higher than none (+" in apart(gap, 0.05, "none")
    assert apart(LOSS, 0.0001, "none") == "equal to none in the digits that are shown (+0.000 nats)"


def of_differences(measure: Measure, differences: list[float], region: float, **more: Any) -> str:
    scores = {"a": dict(enumerate(differences)), "none": dict.fromkeys(range(len(differences)), 0.0)}
    (contrast,) = judged([Minus("a", "none", measure)], lambda label, _: scores[label], region)
    return " ".join(judgement(replace(contrast, **more), "none", "the examples that were tested"))


def test_where_no_way_is_better_and_where_a_score_is_infinite() -> None:
    told = of_differences(UNKNOWN, [0.05, 0.06, 0.07, 0.05, 0.06, 0.08, 0.07], 0.01)
    assert "Verdict: higher, confirmed" in told and "minus is lower" in told and "do better" not in told
    told = of_differences(LOSS, [0.05, math.inf, 0.07], 0.01)
    assert "has no size, since a score is infinite" in told and "inf " not in told


def test_too_few_examples_and_a_wider_interval_are_told_apart_from_doubt() -> None:
    small = [0.001, -0.001, 0.0005, 0.0, -0.0005, 0.001, 0.0]
    told = of_differences(ACCURACY, small, 0.002, examples=36)
    assert (
        "so few test examples cannot show that two arms are about the same, unless at least ±1.19 points counts" in told
    )
    told = of_differences(ACCURACY, small, 0.002, examples=10_000)
    assert "Verdict: about the same, confirmed" in told
    near = [0.01, 0.012, 0.011, 0.013, 0.009, 0.012]
    scores = {"a": dict(enumerate(near)), "none": dict.fromkeys(range(6), 0.0)}
    (d,) = judged([Minus("a", "none", ACCURACY)], lambda label, _: scores[label], 0.002)
    wide = replace(d, tests=3, difference=replace(d.difference, low=-0.001))
    told = " ".join(judgement(wide, "none", "these"))
    assert (
        "Verdict: better? Not confirmed: an interval for this arm alone would confirm it" in told
        and "for all 3 arms at once" in told
    )


@pytest.mark.parametrize("fmt", ["rich", "markdown", "html", "json"])
def test_each_format_has_the_words_and_only_where_asked_for(three: Any, store: Any, fmt: str) -> None:
    three()
    plain = report.build([store.root])
    words = "four in five studies like this one would confirm it"
    unasked = report.render(plain, fmt)
    if fmt == "html":  # there they are under each arm, folded up
        assert words in unasked and '<details class="words" open>' not in unasked
        assert '<details class="words" open>' in report.render(report.explained(plain), fmt)
    else:
        assert words not in unasked
    text = " ".join(report.render(report.explained(plain), fmt).split())
    assert words in text
    if fmt == "json":
        (comparison,) = json.loads(report.render(report.explained(plain), fmt))["comparisons"]
        assert [p["about"] for p in comparison["explained"]][-3:] == [
            "standard 0.5:",
            "standard 0.5 against none:",
            "Chosen:",
        ]


def test_each_outcome_that_was_named_in_advance_is_judged_in_words(
    fake: Any, fake_plan: Any, put: Any, store: Any
) -> None:
    noise = random.Random(2)
    arms = {
        name: [fake(s, changes=changes, test=round(0.9 + plus + noise.gauss(0, 0.004), 4)) for s in range(8)]
        for name, changes, plus in (("none", {}, 0.0), ("target", ON, 0.02))
    }
    put(*arms["none"], *arms["target"])
    store.write_plan(fake_plan(arms, outcomes=["accuracy", "loss"]))
    c = explained(store, filters=["study=three_arm"])
    loss = c.against(c.outcomes[1])["target"]
    words = paragraphs(c)["target against none in test loss:"]
    assert f"Verdict: {verdict_word(loss)}" in words and "97.5 % confidence" in words
    assert "test loss" not in paragraphs(c)["target against none:"], "it is not told twice"
