"""Questions in SQL: answered as pandas answers them, from nothing but the runs, and a sentence for all else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from terminal import dropbench

from dropbench import report
from dropbench.errors import UsageError

duckdb = pytest.importorskip("duckdb")


SEEDS = "select seed from runs where seed = 3"
MEANS = "select arm, avg(test_accuracy) as score, count(*) as n from runs group by arm order by arm"


@pytest.fixture
def root(fake: Any, put: Any, store: Any) -> Path:
    for seed in range(4):
        put(fake(seed, test=0.8 + seed / 100))
        put(*(fake(seed, changes={"dropout": "standard", "dropout.rate": r}, test=0.9 - r / 10) for r in (0.2, 0.5)))
    return Path(store.root)


def test_an_answer_is_that_of_pandas(root: Path) -> None:
    told = report.query(
        [root], [], "select arm, avg(test_accuracy) as score, count(*) as n from runs group by arm order by arm"
    )
    table = report.list_runs([root]).single.table
    means = table.groupby("arm")["test_accuracy"].mean()
    assert told["arm"].tolist() == means.index.tolist()
    assert told["score"].tolist() == pytest.approx(means.tolist())
    assert told["n"].tolist() == [4, 4, 4]


def test_settings_are_numbers_and_filters_hold(root: Path) -> None:
    told = report.query([root], ["dropout=standard"], 'select max("dropout.rate") as r from runs', where=["seed<=1"])
    assert told["r"].tolist() == [0.5]
    assert report.query([root], ["dropout=standard"], "select seed from runs", where=["seed<=1"])["seed"].max() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("delete from runs", "write one select"),
        ("select 1; select 2", "write one select"),
        ("copy runs to 'x.csv'", "write one select"),
        ("attach 'x.db'", "write one select"),
        ("", "write one select"),
        ("select * from 'record.json'", "--sql: "),
        ("select * from read_csv('/etc/passwd')", "--sql: "),
        ("selekt", "syntax error"),
        ("select tset_accuracy from runs", "test_accuracy"),
        ("select dropout.rate from runs", 'double quotes, as in "dropout.rate"'),
    ],
)
def test_all_else_is_a_sentence(root: Path, tmp_path: Path, monkeypatch: Any, text: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as told:
        report.query([root], [], text)
    assert said in str(told.value) and "\n" not in str(told.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("fmt", ["rich", "csv", "json", "markdown"])
def test_from_the_command_line(root: Path, capsys: Any, fmt: str) -> None:
    sql = "select arm, max(test_accuracy) as best from runs group by arm order by best desc limit 1"
    said = dropbench(capsys, "report", str(root), "--sql", sql, "--format", fmt)
    assert said.code == 0 and "standard 0.2" in said.out and "0.88" in said.out
    if fmt == "json":
        assert json.loads(said.out) == [{"arm": "standard 0.2", "best": pytest.approx(0.88)}]


def test_json_has_every_digit_and_null_for_what_is_no_number(root: Path, capsys: Any) -> None:
    sql = "select 1.23456789e-12::double as small, 'nan'::double as none, [1, 2] as list, 3 as n from runs limit 1"
    said = dropbench(capsys, "report", str(root), "--sql", sql, "--format", "json")
    assert json.loads(said.out) == [{"small": 1.23456789e-12, "none": None, "list": [1, 2], "n": 3}]


def test_it_is_written_to_a_file(root: Path, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "answer.csv"
    said = dropbench(
        capsys,
        "report",
        str(root),
        "--sql",
        "select seed from runs where seed = 3",
        "--format",
        "csv",
        "--out",
        str(file),
    )
    assert said.code == 0 and file.read_text().splitlines() == ["seed", "3", "3", "3"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sql", "select 1", "--metric", "loss"], "can only be combined with"),
        (["--sql", "select 1", "--wide"], "can only be combined with"),
        (["--sql", "select 1", "--format", "html"], "--sql cannot be shown as html"),
        (["--sql", " "], "--sql is empty"),
    ],
)
def test_options_that_do_not_go_with_it(capsys: Any, words: list[str], said: str) -> None:
    told = dropbench(capsys, "report", "nowhere", *words)
    assert told.code == 2 and said in told.err


def test_parquet_is_written_or_says_what_to_install(root: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "answer.parquet"
    words = ("report", str(root), "--sql", SEEDS, "--format", "parquet", "--out", str(file))
    assert dropbench(capsys, *words).code == 0
    assert pd.read_parquet(file)["seed"].tolist() == [3, 3, 3]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = dropbench(capsys, *words)
    assert told.code == 2 and "dropbench[parquet]" in told.err


def test_without_duckdb_it_says_what_to_install(root: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"dropbench\[sql\]"):
        report.query([root], [], "select 1")
