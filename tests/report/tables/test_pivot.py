"""Grids of a metric by configuration keys, and conditions on them."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pytest

from dropbench import report
from dropbench.errors import UsageError


@pytest.fixture
def grid(fake: Any, put: Any, store: Any) -> Any:
    """Two models, three sizes, two rates and none, three seeds; test accuracy tells them apart."""
    for m, model in enumerate(("mlp", "cnn")):
        for n in (500, 1000, 10_000):
            for i, rate in enumerate((0.0, 0.25, 0.5)):
                changes = {"model": model, "data.n_train": n, "dropout": "standard" if rate else "none"}
                changes["dropout.rate"] = rate
                put(*(fake(s, changes=changes, test=0.5 + 0.1 * m + 0.01 * i + n / 1e5 + 0.001 * s) for s in range(3)))
    return store.root


def cells(found: Any) -> list[dict[tuple[str, str], float]]:
    return [
        {(r, c): round(v, 6) for r, c, v in zip(g.table["row"], g.table["column"], g.table["mean"], strict=True)}
        for g in found.grids
    ]


def test_every_cell_is_the_mean_of_its_runs(grid: Any) -> None:
    found = report.pivot([grid], ["data.n_train=500"], rows="dropout.rate", cols="model")
    assert cells(found) == [
        {
            (rate, model): round(0.506 + 0.1 * (model == "cnn") + 0.01 * i, 6)
            for i, rate in enumerate(("0", "0.25", "0.5"))
            for model in ("cnn", "mlp")
        }
    ]
    text = report.render(found, "rich", 80)
    assert "n = 3 in every cell" in text
    assert [line.split()[0] for line in text.splitlines() if "±" in line and "Mean" not in line] == ["0", "0.25", "0.5"]


def test_what_else_varies_makes_tables_of_its_own(grid: Any) -> None:
    """Never a mean over sizes: one table for each, in order of size. The widths follow from the model."""
    found = report.pivot([grid], rows="dropout.rate", cols="model")
    assert [g.title for g in found.grids] == [f"test accuracy, data.n_train={n}" for n in (500, 1000, 10000)]
    assert {n for g in found.grids for n in g.table["n"]} == {3}
    alone = report.pivot([grid], ["model=mlp"], rows="data.n_train")
    assert [g.title for g in alone.grids] == [
        "test accuracy, dropout=none, dropout.rate=0",
        "test accuracy, dropout=standard, dropout.rate=0.25",
        "test accuracy, dropout=standard, dropout.rate=0.5",
    ]


def test_a_metric_may_be_named_and_a_wrong_one_names_those_there_are(grid: Any) -> None:
    found = report.pivot([grid], rows="model", cols="data.n_train", metric="gap_loss")
    assert {str(g.measure) for g in found.grids} == {"gap_loss"}
    with pytest.raises(UsageError, match=r"--metric acuracy: no run here has this metric; did you mean 'accuracy'"):
        report.pivot([grid], rows="model", metric="acuracy")
    with pytest.raises(UsageError, match=r"perplexity: no run here has this metric; .*accuracy.*loss"):
        report.build([grid], metric="perplexity")
    with pytest.raises(UsageError, match=r"did you mean 'dropout\.rate'"):
        report.pivot([grid], rows="dropout.rat")


def test_grids_in_every_format(grid: Any) -> None:
    found = report.pivot([grid], rows="dropout.rate", cols="model")
    table = pd.read_csv(io.StringIO(report.render(found, "csv")))
    assert list(table.columns) == ["grid", "measure", "dropout.rate", "model", "n", "mean", "sd", "median"]
    assert len(table) == 18
    tree = json.loads(report.render(found, "json"))
    assert len(tree["rows"]) == 18 and len(tree["grids"]) == 3
    assert report.render(found, "markdown").count("| 0.25 ") == 3
    assert report.render(found, "latex").count(r"\begin{tabular}") == 3


def test_a_table_too_wide_goes_on_below(grid: Any) -> None:
    text = report.render(report.pivot([grid], ["model=mlp"], rows="model", cols="data.n_train"), "rich", 34)
    assert max(map(len, text.splitlines())) <= 34
    assert "…" not in text
    for size in ("500", "1000", "10000"):
        assert size in text


@pytest.mark.parametrize(
    ("condition", "n"),
    [
        ("data.n_train<=1000", 36),
        ("data.n_train<1000", 18),
        ("data.n_train>=1e4", 18),
        ("data.n_train > 500 and model != cnn", 18),
        ("model=c*", 27),
        ("dropout.rate==0.25", 18),
        ("dropout!=none and seed<2", 24),
        ("train.patience<5", 0),
    ],
)
def test_conditions(grid: Any, condition: str, n: int) -> None:
    if n:
        found = report.build([grid], where=[condition])
        assert sum(c.table["n"].sum() for c in found.comparisons) == n
    else:
        with pytest.raises(UsageError, match="no remaining run matches; their values are: null"):
            report.build([grid], where=[condition])


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("data.n_train", "write key, comparison, value"),
        ("data.n_trian<5", "unknown key 'data.n_trian'; did you mean 'data.n_train'"),
        ("model<cnn", "cnn is not a number; compare names with = or !="),
        ("__import__('os').system('x')", "write key, comparison, value"),
    ],
)
def test_a_wrong_condition_is_a_sentence(grid: Any, condition: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        report.build([grid], where=[condition])
    assert sentence in str(caught.value)
