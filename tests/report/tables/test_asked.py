"""Questions to all arms together: contrasts by name, interactions, trends and optima, beside numbers made elsewhere."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.tables.report import Report

DROP, DECAY, N = "dropout.rate", "train.weight_decay", "data.n_train"
Put = Callable[..., None]


def arm(rate: float = 0.0, decay: float = 0.0, n: int = 1000, **more: Any) -> dict[str, Any]:
    return {"dropout": "standard" if rate else "none", DROP: rate, DECAY: decay, N: n, **more}


def asked(store: Any, *filters: str, **questions: Any) -> Report:
    options = {k: questions.pop(k) for k in ("baseline", "metric", "rope") if k in questions}
    return report.asked([store.root], filters, report.Questions.typed(**questions), **options)


@pytest.fixture
def grid(fake: Any, put: Put) -> dict[tuple[float, float, int], list[float]]:
    """Test accuracies of 8 seeds of three rates × two decays × three sizes, by (rate, decay, size)."""
    noise, made = random.Random(1), {}
    for rate in (0.0, 0.25, 0.5):
        for decay in (0.0, 0.001):
            for n in (250, 1000, 4000):
                made[rate, decay, n] = [0.5 + 0.1 * rate * (n < 2000) + noise.uniform(0, 0.05) for _ in range(8)]
                for seed, test in enumerate(made[rate, decay, n]):
                    put(fake(seed, changes=arm(rate, decay, n), test=test))
    return made


def test_interactions_are_differences_of_differences(grid: Any, store: Any) -> None:
    answers = asked(store, f"{N}=1000", interactions=[f"{DROP},{DECAY}"]).asked.answers
    assert [a.name for a in answers] == [f"{DROP}=0.25 × {DECAY}=0.001", f"{DROP}=0.5 × {DECAY}=0.001"]
    for answer, rate in zip(answers, (0.25, 0.5), strict=True):
        both, alone, decay, neither = (
            np.array(grid[cell])
            for cell in ((rate, 0.001, 1000), (rate, 0.0, 1000), (0.0, 0.001, 1000), (0.0, 0.0, 1000))
        )
        by_hand = (both - decay) - (alone - neither)
        assert [*answer.contrast.values.values()] == pytest.approx([*by_hand])
        assert answer.contrast.difference.mean == pytest.approx(by_hand.mean())
        assert answer.contrast.tests == 2 and answer.contrast.region == 0.002


def test_an_interaction_by_hand(fake: Any, put: Put, store: Any) -> None:
    """10 points alone, 20 points alone, 35 together: 5 more than their sum, under every seed."""
    for seed in range(6):
        for rate, decay, test in ((0.0, 0.0, 0.5), (0.5, 0.0, 0.6), (0.0, 0.1, 0.7), (0.5, 0.1, 0.85)):
            put(fake(seed, changes=arm(rate, decay), test=test + 0.001 * seed))
    made = asked(store, interactions=[f"{DROP},{DECAY}", f"dropout,{DECAY}", f"{DECAY},{DROP}"])
    assert [a.contrast.difference.mean for a in made.asked.answers] == pytest.approx([0.05] * 3)
    assert made.asked.answers[1].name == f"dropout=standard 0.5 × {DECAY}=0.1"
    assert {a.contrast.direction for a in made.asked.answers} == {"better"}
    (from_both,) = asked(store, interactions=[f"{DROP},{DECAY}"], baseline=f"standard 0.5 {DECAY}=0.1").asked.answers
    assert from_both.name == f"{DROP}=0 × {DECAY}=0" and from_both.contrast.difference.mean == pytest.approx(0.05)


def test_a_trend_is_the_slope_by_seed(grid: Any, store: Any) -> None:
    """Beside numpy's and scipy's least squares, per doubling: 250 to 4000 is a factor of 16."""
    answers = asked(store, f"{DECAY}=0", trends=[N]).asked.answers
    assert [a.name for a in answers] == [f"standard 0.{r} − none, per doubling of {N}" for r in ("25", "5")]
    for answer, rate in zip(answers, (0.25, 0.5), strict=True):
        x = np.log2([250, 1000, 4000])
        for seed, slope in answer.contrast.values.items():
            effect = [grid[rate, 0.0, n][seed] - grid[0.0, 0.0, n][seed] for n in (250, 1000, 4000)]
            assert slope == pytest.approx(np.polyfit(x, effect, 1)[0], rel=1e-9)
            assert slope == pytest.approx(linregress(x, effect).slope, rel=1e-9)
    assert answers[1].contrast.difference.mean < 0 and answers[1].contrast.measure.direction == 1


def test_a_trend_over_a_short_range_is_from_end_to_end(fake: Any, put: Put, store: Any) -> None:
    noise = random.Random(2)
    scores = {rate: [noise.uniform(0.5, 0.6) for _ in range(7)] for rate in (0.0, 0.2, 0.3, 0.45, 0.6)}
    for rate, tests in scores.items():
        for seed, test in enumerate(tests):
            put(fake(seed, changes=arm(rate), test=test))
    (answer,) = asked(store, trends=[DROP]).asked.answers
    (from_above,) = asked(store, trends=[DROP], baseline="standard 0.6").asked.answers
    assert answer.name == f"standard − none, over {DROP} from 0 to 0.6"
    assert from_above.name == f"standard − standard 0.6, over {DROP} from 0 to 0.6"
    for seed, slope in answer.contrast.values.items():
        effect = [tests[seed] - scores[0.0][seed] for tests in scores.values()]
        assert slope == pytest.approx(0.6 * np.polyfit([*scores], effect, 1)[0], rel=1e-9)
    assert from_above.contrast.values == pytest.approx(answer.contrast.values), "a baseline that is one moves no slope"
    assert from_above.contrast.measure.direction == 1


@pytest.mark.parametrize("last", [0.3, 0.6])
def test_a_trend_against_its_own_last_arm(fake: Any, put: Put, store: Any, last: float) -> None:
    """Where the arm with the largest value is the baseline, its term is nothing, and a rise is still better."""
    for rate in (0.0, 0.3, last) if last > 0.3 else (0.0, last):
        for seed in range(6):
            put(fake(seed, changes=arm(rate), test=0.5 + rate / 2 + 0.001 * seed))
    (answer,) = asked(store, trends=[DROP], baseline=f"standard {last}").asked.answers
    assert answer.contrast.difference.mean == pytest.approx(last / 2) and answer.contrast.direction == "better"


def test_names_are_labels_and_settings_over_all_tables(grid: Any, store: Any) -> None:
    texts = [
        f"arm('standard 0.5 {N}=250').test_accuracy - arm('none {N}=4000').accuracy",
        f"best('* {N}=250', by=val_loss).test_loss / arm('none {N}=250').loss - 1",
    ]
    difference, ratio = asked(store, f"{DECAY}=0", contrasts=texts).asked.answers
    by_hand = np.array(grid[0.5, 0.0, 250]) - np.array(grid[0.0, 0.0, 4000])
    assert [*difference.contrast.values.values()] == pytest.approx([*by_hand])
    assert (difference.contrast.tests, ratio.contrast.tests, ratio.contrast.region) == (1, 1, 0.0)


def test_plan_names_are_arms(fake: Any, put: Put, store: Any, fake_plan: Any) -> None:
    runs = {
        name: [fake(s, changes=arm(rate), test=0.5 + rate / 10) for s in range(6)]
        for name, rate in (("none", 0.0), ("half", 0.25))
    }
    for records in runs.values():
        put(*records)
    store.write_plan(fake_plan(runs))
    (answer,) = asked(store, "study=three_arm", contrasts=["half.test_accuracy - none.test_accuracy"]).asked.answers
    assert answer.contrast.difference.mean == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        ({"contrasts": ["nnoe.test_accuracy - 1"]}, "no arm here is called 'nnoe'; did you mean 'none'?"),
        (
            {"contrasts": ["none.test_accuracy - 1"]},
            "'none' may mean any of 3 arms, which differ in data.n_train; write arm('none data.n_train=250') or",
        ),
        ({"contrasts": ["best('drop*', by=val_loss).test_loss - 1"]}, "no arm here is called 'drop*'"),
        ({"contrasts": ["best(dropout.rate, by=val_loss).test_loss - 1"]}, "dropout.rate varies in 6 sets of arms"),
        ({"contrasts": ["best('*', by=test_loss).test_loss - 1"]}, "'by=test_loss' is not measured on validation data"),
        (
            {"contrasts": [f"arm('none {N}=250').test_acuracy - 1"]},
            "no run here measured 'test_acuracy'; did you mean 'test_accuracy'?",
        ),
        ({"interactions": [f"{DROP},{N}"]}, "belongs to several arms, such as"),
        ({"interactions": ["dropout.rat,model"]}, "did you mean 'dropout.rate'?"),
        ({"interactions": ["dropout"]}, "write two keys"),
        ({"interactions": ["dropout,dropout"]}, "write two keys"),
        ({"interactions": ["dropout,seed"]}, "seed is not a setting of an arm"),
        ({"interactions": ["dropout,model"]}, "belongs to several arms"),
        ({"trends": ["model"]}, "model: no two arms here differ in this key alone; its values are mlp"),
        ({"trends": ["dropout"]}, "is not a number"),
        ({"optima": ["train.epochs"]}, "no two arms here differ in this key alone; its values are 50"),
        ({"optima": [DROP], "metric": "novelty"}, "it is not known whether higher or lower test novelty is better"),
    ],
)
def test_what_these_arms_have_no_answer_to(
    fake: Any, put: Put, grid: Any, store: Any, questions: Any, said: str
) -> None:
    if "metric" in questions:
        put(fake(99, metrics={"test_novelty": 1.0, "val_novelty": 1.0}))
    with pytest.raises(UsageError, match=re.escape(said)):
        asked(store, **questions)


def test_a_key_that_goes_with_neither_is_not_averaged_over(fake: Any, put: Put, store: Any) -> None:
    for i, (rate, decay) in enumerate(((0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.5, 0.1))):
        put(fake(0, changes=arm(rate, decay, **{"train.epochs": 50 + (i == 3)})))
    with pytest.raises(UsageError, match=r"train\.epochs varies too, independently of both"):
        asked(store, interactions=[f"{DROP},{DECAY}"])


def test_squares_that_are_not_whole_are_named(fake: Any, put: Put, store: Any) -> None:
    for rate, decay in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.5, 0.1), (0.0, 0.2)):
        put(fake(0, changes=arm(rate, decay)))
    made = asked(store, interactions=[f"{DROP},{DECAY}"]).asked
    assert len(made.answers) == 1 and f"Left out, because arms are missing: {DROP}=0.5 × {DECAY}=0.2." in made.notes
    with pytest.raises(UsageError, match="no four arms combine two levels"):
        asked(store, f"{DECAY}=0,0.2", interactions=[f"{DROP},{DECAY}"])


def test_a_trend_without_a_baseline_or_with_two(fake: Any, put: Put, store: Any) -> None:
    for n in (100, 400):
        for seed in range(2):
            put(fake(seed, changes=arm(0.5, n=n)), fake(seed, changes=arm(0.25, n=n)))
    with pytest.raises(UsageError, match="there is no baseline to compare with; name one with --baseline"):
        asked(store, trends=[N])
    (answer,) = asked(store, trends=[N], baseline="standard 0.25").asked.answers
    assert answer.name.startswith("standard 0.5 − standard 0.25, per doubling")
    with pytest.raises(UsageError, match=r"did you mean 'standard 0\.25 data"):
        asked(store, trends=[N], baseline="standard 0.24")


def test_where_an_optimum_lies(fake: Any, put: Put, store: Any) -> None:
    """At .3 and .4 it is as good, now the one and now the other by a little; elsewhere it is far worse."""
    levels = {0.0: 0.70, 0.1: 0.75, 0.3: 0.80, 0.4: 0.8001, 0.6: 0.6}
    for rate, level in levels.items():
        for seed in range(14):
            wobble = 0.01 * (-1) ** (seed + (rate == 0.4)) if rate in (0.3, 0.4) else 0.001 * (seed % 3)
            put(fake(seed, changes=arm(rate), test=level + wobble))
    (found,) = asked(store, optima=[DROP]).asked.optima
    assert [c.level for c in found.candidates] == ["0", "0.1", "0.3", "0.4", "0.6"]
    assert [c.level for c in found.candidates if c.possible] == ["0.3", "0.4"]
    assert found.best is not None and found.best.level == "0.4" and not found.at_edge
    assert sum(c.share for c in found.candidates) == pytest.approx(1)
    assert found.seeds == 14 and found.candidates[0].beaten_by


def test_the_edge_of_what_was_tried_is_told(fake: Any, put: Put, store: Any) -> None:
    for rate in (0.0, 0.2, 0.4):
        for seed in range(7):
            put(fake(seed, changes=arm(rate), test=0.5 + rate + 0.001 * seed * rate))
    made = asked(store, optima=[DROP])
    assert made.asked is not None and made.asked.optima[0].at_edge
    assert "lies at the edge of what was tried" in report.render(made, "rich", 100)
    falling = asked(store, optima=[DROP], metric="loss").asked.optima[0]
    assert falling.best is not None and falling.best.level == "0.4", "losses are better low"


def test_what_diverges_more_is_no_optimum(fake: Any, put: Put, store: Any) -> None:
    for rate in (0.0, 0.2, 0.4):
        for seed in range(7):
            lost = rate == 0.4 and seed < 2
            put(fake(seed, changes=arm(rate), test=0.5 + rate, status="diverged" if lost else "completed"))
    (found,) = asked(store, optima=[DROP]).asked.optima
    assert found.left_out == ("0.4",) and [c.level for c in found.candidates] == ["0", "0.2"]


def test_every_format_has_the_answers(grid: Any, store: Any, tmp_path: Path) -> None:
    text = f"arm('standard 0.5 {N}=250').loss - arm('none {N}=250').loss"
    made = asked(store, f"{DECAY}=0", contrasts=[text], trends=[N], optima=[N])
    for fmt in ("rich", "markdown", "latex", "html", "csv", "json"):
        shown = report.render(made, fmt, 100)
        assert "doubling" in shown and "0.00" in shown, fmt
        assert fmt == "html" or "nan" not in shown.lower(), "the page's script speaks of it"
    tree = json.loads(report.render(made, "json"))
    told = [row for row in tree["rows"] if row["contrast"] is not None]
    first = told[0]
    assert first["contrast"].startswith("arm('standard 0.5") and first["pairs"] == 8 and first["unit"] == "nats"
    assert [o["seeds"] for o in tree["asked"]["optima"]] == [8, 8, 8]
    again = report.Questions.typed(contrasts=[row["expression"] for row in told])
    assert [
        a.contrast.difference.mean for a in report.asked([store.root], [f"{DECAY}=0"], again).asked.answers
    ] == pytest.approx([row["mean"] for row in told]), "what a trend is written as may be asked as a contrast"
    assert max(map(len, report.render(made, "rich", 60).splitlines())) <= 60


def test_the_same_runs_give_the_same_answers(grid: Any, store: Any) -> None:
    one, other = (report.render(asked(store, trends=[N], optima=[DROP]), "json") for _ in range(2))
    assert one == other


@pytest.mark.parametrize("about", ["examples", "pool"])
def test_arm_minus_baseline_is_what_the_table_says(fake: Any, put: Put, store: Any, about: str) -> None:
    """Interval, p and verdict too: one judgement, wherever it is asked for."""
    noise = random.Random(4)
    for rate, decay in ((0.0, 0.0), (0.25, 0.0), (0.5, 0.0)):
        for seed in range(9):
            lost = rate == 0.5 and seed == 3
            put(
                fake(
                    seed,
                    changes=arm(rate, decay),
                    test=noise.gauss(0.8, 0.01),
                    status="diverged" if lost else "completed",
                )
            )
    (compared,) = report.build([store.root], about=about).comparisons
    texts = [f"arm({label!r}).test_accuracy - none.test_accuracy" for label in compared.others]
    made = report.asked([store.root], [], report.Questions.typed(texts), about=about)
    for answer, (label, known) in zip(made.asked.answers, compared.verdicts.items(), strict=True):
        assert repr(answer.contrast.difference) == repr(known.difference), label
        assert (answer.contrast.verdict, answer.contrast.tests) == (known.verdict, 2)
