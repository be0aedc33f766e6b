"""The same report for people, pages and programs."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from terminal import dropbench

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.tables.columns import sheets

REPO = Path(__file__).resolve().parents[3]
LONG: dict[str, Any] = {"dropout": "standard", "dropout.rate": 0.5, "dropout.rates": {"input": 0.2, "*": 0.5}}
ARMS: list[dict[str, Any]] = [
    {},
    {"dropout": "standard", "dropout.rate": 0.25},
    {"dropout": "standard", "dropout.rate": 0.5},
    LONG,
    {"train.weight_decay": 0.001},
]


@pytest.fixture
def rich_report(fake: Any, put: Any, store: Any) -> Any:
    """Two comparisons of five arms, with a failure and a divergence."""
    noise = random.Random(0)
    for model in ("mlp", "cnn"):
        for i, changes in enumerate(ARMS):
            for seed in range(5):
                lost = {(3, 4): "failed", (2, 0): "diverged"}.get((i, seed), "completed")
                put(
                    fake(
                        seed,
                        changes={"model": model, **changes},
                        val=0.85 + 0.01 * i + noise.gauss(0, 0.005),
                        test=0.84 + 0.01 * i + noise.gauss(0, 0.005),
                        status=lost,
                        reason=None if lost == "completed" else "because | of [bold]that[/bold]",
                    )
                )
    return report.build([store.root])


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(rich_report: Any, width: int) -> None:
    lines = report.render(rich_report, "rich", width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line.endswith(" ") for line in lines)
    everything = "\n".join(lines)
    assert "…" not in everything
    for heading in ("arm", "test", "gap", "verdict", "points"):
        assert heading in everything
    for sheet in (s for c in rich_report.comparisons for s in sheets(c, width)):
        shown = " ".join(" ".join(c.heading) for c in sheet.columns)
        assert "P(better)" in shown + " ".join(sheet.hidden) or "Difference" not in sheet.caption
        headings = [c.heading for c in sheet.columns]
        assert "Difference" not in sheet.caption or headings[:2] == [("arm",), ("verdict",)]


def test_80_columns_hold_what_matters_and_200_the_rest(rich_report: Any) -> None:
    narrow, wide = (report.render(rich_report, "rich", w) for w in (80, 200))
    for words in (
        "train",
        "validation",
        "acc. %",
        "95 % interval",
        "verdict",
        "±",
        "gap: training",
        "[bold]that[/bold]",
    ):
        assert words in narrow
    assert "seconds" not in narrow.partition("gap: training")[0]
    for words in ("loss", "epoch", "failed", "diverged", "standard {input: 0.2, *: 0.5}", "sd", "P(better)", "MDE"):
        assert words in wide
    assert narrow.count("gap: training") == 1  # what is true of every table is said once


def test_percent_and_signed_points(fake: Any, put: Any, store: Any) -> None:
    for seed in range(2):
        put(fake(seed, train=1.0, val=0.9, test=0.9), fake(seed, changes=ARMS[2], train=0.95, val=0.92, test=0.9125))
    text = report.render(report.build([store.root]), "rich", 80)
    row = next(line for line in text.splitlines() if line.startswith(" standard 0.5"))
    assert " ".join(row.split()) == "standard 0.5 2 95.0 ± 0.0 92.0 ± 0.0 91.2 ± 0.0 +3.0 ± 0.0"
    row = [line for line in text.splitlines() if line.startswith(" standard 0.5")][1]
    assert " ".join(row.split()) == "standard 0.5 better? 2 +1.25 +1.19 to +1.31 0.5000 6"


def test_one_run_shows_no_spread_and_no_nan(fake: Any, put: Any, store: Any) -> None:
    put(fake(0), fake(0, changes=ARMS[2]))
    found = report.build([store.root])
    for fmt in ("rich", "markdown"):
        text = report.render(found, fmt, 200)
        assert "nan" not in text
        assert "±" not in text.split("Rule")[0].split("Seeds")[0]


def test_csv_is_tidy_and_exact(rich_report: Any) -> None:
    table = pd.read_csv(io.StringIO(report.render(rich_report, "csv")), keep_default_na=False, na_values=[""])
    assert len(table) == 10
    assert not table.duplicated(["comparison", "arm"]).any()
    exact = pd.concat([c.table for c in rich_report.comparisons], ignore_index=True)
    assert table["test_accuracy_mean"].tolist() == exact["test_accuracy_mean"].tolist()
    assert table["test_accuracy_mean"].between(0, 1).all()
    assert table.loc[table["arm"] == "none", "test_accuracy_diff_mean"].isna().all()
    assert set(table["baseline"]) == {"none"}


def test_json_parses_back_and_is_exact(rich_report: Any) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    tree = json.loads(report.render(rich_report, "json"), parse_constant=refuse)
    exact = pd.concat([c.table for c in rich_report.comparisons], ignore_index=True)
    assert [r["gap_accuracy_mean"] for r in tree["rows"]] == exact["gap_accuracy_mean"].tolist()
    assert tree["rows"][0]["test_accuracy_diff_mean"] is None
    assert [c["title"] for c in tree["comparisons"]] == ["cnn on mnist, n_train=1000", "mlp on mnist, n_train=1000"]
    assert {r["test_accuracy_diff_interval"] for r in tree["rows"]} == {"t", ""}
    assert tree["comparisons"][0]["measure"] == "test_accuracy"
    assert [c["variant"] for c in tree["comparisons"][0]["choices"]] == ["standard"]
    assert any("Diverged" in note for note in tree["comparisons"][0]["notes"])


def test_json_has_null_for_what_is_not_finite(fake: Any, put: Any, store: Any) -> None:
    record = fake(0)
    record.metrics["test_mine"] = math.inf
    put(record)
    tree = json.loads(report.render(report.build([store.root]), "json"))
    assert tree["rows"][0]["test_mine_mean"] is None


def test_markdown_is_tables_and_notes(rich_report: Any) -> None:
    text = report.render(rich_report, "markdown")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 2 * (5 + 2) + 2 * (4 + 2) + 2 * (1 + 2)  # summary, differences, chosen rate
    assert text.count("### ") == 2
    assert "- Seeds: " in text
    assert "95 % interval t" in text
    assert "P(better)" in report.render(rich_report, "markdown", wide=True)


def test_latex_is_tables_with_everything_escaped(rich_report: Any) -> None:
    text = report.render(rich_report, "latex")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 6
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\caption{") == 6
    labels = re.findall(r"\\label\{(tab:[a-z0-9-]+)\}", text)
    assert len(set(labels)) == 6
    assert not re.search(r"(?<![\w.])-\d", re.sub("(?m)^%.*", "", text))  # minus signs are true ones
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    body = re.sub(r"\\(?:begin|end)\{table\}|\\label\{.*?\}|\\caption\{(.*)\}", r"\1", body)
    assert not re.search(
        r"(?<!\\)[%_{}#](?<!\\.)(?![lr]*\})", re.sub(r"\\(?:begin|end)\{tabular\}(?:\{[lr]+\})?", "", body)
    )
    assert "±" not in body and r"$\pm$" in body


@pytest.mark.parametrize("fmt", ["latex", "markdown"])
def test_tables_can_be_chosen(rich_report: Any, fmt: str) -> None:
    whole, some = report.render(rich_report, fmt), report.render(rich_report, fmt, tables=["differences"])
    count = {"latex": r"\begin{tabular}", "markdown": "\n|:--"}[fmt]
    assert (whole.count(count), some.count(count)) == (6, 2)
    assert "ifference from none (arm minus none)" in some


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tables", "diferences", "--format", "latex"], "differences"),
        (["--tables", "arms"], "add --format latex or --format markdown"),
        (["--tables", "", "--format", "latex"], "there is no such table"),
    ],
)
def test_tables_that_are_none_are_met_with_a_sentence(capsys: Any, words: list[str], said: str) -> None:
    told = dropbench(capsys, "report", "nowhere", *words)
    assert told.code == 2 and said in told.err


def test_headings_of_latex_end_level_and_labels_are_told_apart(fake: Any, put: Any, store: Any) -> None:
    """Two data sets whose names differ in signs alone make one label."""
    for seed in range(6):
        for name in ("a b", "a_b"):
            put(
                fake(seed, changes={"data": name}),
                fake(seed, changes={"data": name, "dropout": "standard", "dropout.rate": 0.5}),
            )
    text = report.render(report.build([store.root]), "latex")
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels)) >= 4 and labels[0].removesuffix("-arms") in labels[-1]
    heads = [block.split(r"\midrule")[0].strip().splitlines() for block in text.split(r"\toprule")[1:]]
    assert all(lines[-1].strip().startswith("arm & ") for lines in heads)


def test_parquet_is_csv_with_types(rich_report: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    report.write(rich_report, "parquet", tmp_path / "r.parquet")
    exact = pd.read_parquet(tmp_path / "r.parquet")
    assert exact["test_accuracy_mean"].tolist() == [
        v for c in rich_report.comparisons for v in c.table["test_accuracy_mean"]
    ]
    assert exact["n"].dtype.kind == "i"
    with pytest.raises(UsageError, match=r"--out report\.parquet"):
        report.render(rich_report, "parquet")


def test_parquet_without_pyarrow_says_what_to_install(
    rich_report: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"dropbench\[parquet\]"):
        report.write(rich_report, "parquet", tmp_path / "r.parquet")


def test_wide_shows_every_column_whole(rich_report: Any) -> None:
    text = report.render(rich_report, "rich", 80, wide=True)
    assert "…" not in text
    for words in ("median", "seconds", "P(better)", "seeds to", "alone"):
        assert words in text


def test_an_unknown_format_is_a_sentence(rich_report: Any) -> None:
    with pytest.raises(UsageError, match="--format jsn: did you mean 'json'"):
        report.render(rich_report, "jsn")


def test_show_uses_the_consoles_width(rich_report: Any) -> None:
    console = Console(file=io.StringIO(), width=100)
    report.show(rich_report, console)
    assert isinstance(console.file, io.StringIO)
    assert "mlp on mnist" in console.file.getvalue()


def test_nothing_heavy_is_imported(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(s, changes=c) for s in range(3) for c in ARMS))
    script = (
        "import sys; from pathlib import Path; from dropbench import report\n"
        "assert not {'pandas', 'scipy', 'rich', 'pydantic'} & set(sys.modules), 'importing the room loads something'\n"
        "report.render(report.build([Path(sys.argv[1])]), 'rich', 80)\n"
        "print([m for m in ('torch', 'scipy.stats', 'matplotlib', 'hydra') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(store.root)]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    assert subprocess.check_output(command, env=environment, text=True).strip() == "[]"


@pytest.mark.parametrize("width", range(40, 100, 3))
def test_no_heading_is_cut_short(width: int, fake: Any, put: Any, store: Any) -> None:
    """The first column is never narrower than it is drawn, however short the names in it are."""
    for seed in range(8):
        put(fake(seed, test=0.9 + seed / 1000), fake(seed, changes={"dropout": "alpha", "dropout.rate": 0.5}, test=0.8))
    assert "…" not in report.render(report.build([store.root]), "rich", width)
