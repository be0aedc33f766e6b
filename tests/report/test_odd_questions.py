"""Whatever a report is asked, it answers with a table or with one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.store import Measure

FORMATS = ("rich", "markdown", "latex", "csv", "json", "html")


@pytest.fixture
def odd(fake: Any, put: Any, store: Any) -> Any:
    """Two arms with a measure of the training split alone, and one of the validation split alone."""
    for seed in range(7):
        for changes in ({}, {"dropout": "standard", "dropout.rate": 0.5}):
            record = fake(seed, changes=changes, test=0.8 + seed / 100)
            record.metrics.update({"train_norm": 1.0 + seed, "val_only": 0.5, "train_percent": 0.5})
            record.measures.update({"norm": Measure("lower"), "percent": Measure("higher", (0, 1), "percent", "0.2pp")})
            put(record)
    return store


@pytest.mark.parametrize("metric", ["train_norm", "val_only", "train_percent", "train_loss", "gap_accuracy"])
def test_a_measure_of_one_part_alone_is_compared(odd: Any, metric: str) -> None:
    built = report.build([odd.root], metric=metric)
    assert str(built.comparisons[0].measure) == metric
    for fmt in FORMATS:
        assert report.render(built, fmt)
    assert report.pivot([odd.root], rows="seed", metric=metric).grids


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("norm", "--metric norm: no run here measured it on the test split; write --metric train_norm"),
        ("only", "--metric only: no run here measured it on the test split; write --metric val_only"),
        ("nor", "--metric nor: no run here has this metric"),
        ("epochs to val_loss=nan", "'nan' is not a number"),
        ("epochs to val_loss=1e999", "'1e999' is not a number"),
        ("epochs to train_norm=1", "no history has train_norm"),
        ("updates to test_loss=1", "only train_ and val_ scores are stored"),
    ],
)
def test_a_metric_that_is_not_there(odd: Any, metric: str, said: str) -> None:
    for ask in (
        lambda: report.build([odd.root], metric=metric),
        lambda: report.pivot([odd.root], rows="seed", metric=metric),
    ):
        with pytest.raises(UsageError) as error:
            ask()
        assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "write key, comparison, value"),
        ("seed", "write key, comparison, value"),
        ("seed<=", "write key, comparison, value"),
        ("seed=3 and and seed=4", "write key, comparison, value"),
        ("seed<x", "x is not a number; compare names with = or !="),
        ("seed<=nan", "no remaining run matches"),
        ("seed>=1e999", "no remaining run matches"),
        ("status=[", "no remaining run matches"),
        ("nothing=1", "unknown key 'nothing'"),
    ],
)
def test_a_condition_that_none_fits(odd: Any, where: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        report.build([odd.root], where=[where])
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("typed", ["range(0,10,0)", "range(5,0)", "range(0,10**9)", "range(0,1000000000000)", ","])
def test_a_range_that_is_none_or_too_long(odd: Any, typed: str) -> None:
    with pytest.raises(UsageError):
        report.build([odd.root], [f"seed={typed}"])


@pytest.mark.parametrize("rope", ["", "x", "-1", "nan", "1e999", "1%", "1.5"])
def test_a_region_that_is_none(odd: Any, rope: str) -> None:
    with pytest.raises(UsageError, match="--rope"):
        report.build([odd.root], rope=rope)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_questions_to_runs_of_which_some_or_all_came_to_nothing(fake: Any, put: Any, store: Any, status: str) -> None:
    rate = {"dropout": "standard", "dropout.rate": 0.5}
    questions = report.Questions.typed(
        ["arm('standard 0.5').loss - none.loss", "best('*', by=val_loss).loss / none.loss - 1"],
        trends=["dropout.rate"],
        optima=["dropout"],
    )
    for seed in range(7):
        put(fake(seed, changes=rate, status=status))
    with pytest.raises(UsageError, match="no run here has completed"):
        report.asked([store.root], [], questions)
    for seed in range(7):
        put(fake(seed, test=0.8 + seed / 100))
    made = report.asked([store.root], [], questions)
    for fmt in FORMATS:
        assert report.render(made, fmt)
    assert [(len(o.candidates), o.left_out) for o in made.asked.optima] == [(1, ("standard 0.5",))]
    difference, ratio, _ = (answer.contrast for answer in made.asked.answers)
    assert difference.verdict == ("worse" if status == "diverged" else "") and not difference.values
    assert [*ratio.values.values()] == [0.0] * 7, "none is chosen, since it is the one that did not diverge"
    for seed in range(7, 14):
        put(fake(seed, changes=rate, test=0.5))
    apart, _, _ = (answer.contrast for answer in report.asked([store.root], [], questions).asked.answers)
    assert apart.difference.pairs == (7 if status == "diverged" else 0) and apart.difference.n == 7
