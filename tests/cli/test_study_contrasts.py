"""Contrasts that a study names: checked before anything trains, stored, and answered like those that are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from terminal import TINY, Said, dropbench

import dropbench as db
from dropbench.report.statistics.grammar import parse, written
from dropbench.store import Store

DOCS = Path(__file__).parents[2] / "docs" / "studies.md"
WORDS = ("sweep", "--conf", "own", "study=faster", *TINY, "seed=range(0,3)", "execute.workers=1")
TYPED = {
    "fast": "drop_fast.test_accuracy - none_fast.test_accuracy",
    "more": "(drop_fast.test_accuracy - none_fast.test_accuracy) - (drop.test_accuracy - none.test_accuracy)",
}


@pytest.fixture
def study(bare: Path) -> Path:
    """The one of the documentation."""
    (text,) = (block for block in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S) if "\ncontrasts:" in block)
    file = bare / "own" / "study" / "faster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def report(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    said = dropbench(capsys, "report", "study=faster", "--format", "json", *words)
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_the_example_is_answered_as_if_it_were_typed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *WORDS)
    assert said.code == 0 and "Contrasts that the study names" in said.out
    assert all(f"{name}: " in re.sub(r"\s+", " ", said.out) for name in TYPED)
    (plan,) = Store(Path("results")).plans()
    assert plan.contrasts == TYPED
    (comparison,) = report(capsys)["comparisons"]
    ours = comparison["contrasts"]
    typed = report(capsys, *(word for text in TYPED.values() for word in ("--contrast", text)))["rows"]
    assert [a["contrast"] for a in ours] == [f"{name}: {written(parse(text))}" for name, text in TYPED.items()]
    assert [{**a, "contrast": ""} for a in ours] == [{**a, "contrast": ""} for a in typed] and len(ours) == 2
    for form in ("markdown", "latex", "html"):
        assert "fast: " in dropbench(capsys, "report", "study=faster", "--format", form).out


def test_each_is_a_row_of_csv_and_parquet_too(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *WORDS, "-q").code == 0
    told = report(capsys)
    (comparison,) = told["comparisons"]
    frames = {"json": pd.DataFrame(told["rows"])}
    for form, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        file = Path(f"report.{form}")
        assert dropbench(capsys, "report", "study=faster", "--format", form, "--out", str(file)).code == 0
        frames[form] = read(file)
    for frame in frames.values():
        asked = frame[frame["contrast"].notna()]
        assert len(frame) == len(comparison["contrasts"]) + 4 and frame["arm"].notna().sum() == 4
        assert set(frame["comparison"]) == {comparison["title"]} and set(frame["baseline"]) == {"none"}
        for row, answer in zip(asked.to_dict("records"), comparison["contrasts"], strict=True):
            assert {key: row[key] for key in ("contrast", "expression", "verdict")} == {
                key: answer[key] for key in ("contrast", "expression", "verdict")
            }
            assert row["mean"] == pytest.approx(answer["mean"], abs=1e-12) and row["pairs"] == 3
    # A count stays a whole number beside rows that have none.
    assert ",3.0," not in Path("report.csv").read_text()
    assert db.report("study=faster").frame["n"].dropna().tolist() == [3] * 4


def test_they_are_no_part_of_the_plans_id_and_a_plan_without_them_is_read(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dropbench(capsys, *WORDS, "-q").code == 0
    (file,) = Path("results/plans").glob("*.json")
    tree = json.loads(file.read_text())
    del tree["contrasts"]
    file.write_text(json.dumps(tree))  # as an older dropbench wrote it
    assert report(capsys)["comparisons"][0]["contrasts"] == []
    assert dropbench(capsys, *WORDS, "-q").code == 0
    assert [*Path("results/plans").glob("*.json")] == [file] and json.loads(file.read_text())["contrasts"] == TYPED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop_fast.test_accuracy -", "cannot be read"),
        (
            "drop_fst.test_accuracy - none.test_accuracy",
            "no arm of the study is called 'drop_fst'; did you mean 'drop_fast'",
        ),
        ("drop.test_acuracy - none.test_accuracy", "no run of the study measures 'test_acuracy'"),
        ("drop.test_accuracy - none.test_loss", "adds"),
        ("drop.test_accuracy", "compares nothing, since it is never below 0"),
        ("best('dorp*', by=val_loss).loss - none.loss", "no arm of the study is called 'dorp*'"),
        ("best('drop*', by=test_loss).loss - none.loss", "is not measured on validation data"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_trains(
    study: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    answer: Said = dropbench(capsys, *WORDS, f'study.contrasts={{odd: "{text}"}}')
    assert answer.code == 2 and answer.err.startswith("Error: study.contrasts.odd: ") and said in answer.err
    assert "Traceback" not in answer.err and not Path("results").exists()


def test_what_can_be_asked_is_taken(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("best('drop*', by=val_loss).accuracy - none.accuracy", "drop.gap_loss - none.gap_loss"):
        typed = f'study.contrasts={{another: "{text}"}}'
        assert dropbench(capsys, *WORDS, typed, "--dry-run").code == 0


def test_without_the_study_a_report_says_where_they_are(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = "arms: {none: {dropout: none}, drop: {dropout: standard}}\n"
    study.write_text(f"# Two\nbaseline: none\n{arms}contrasts: {{one: drop.accuracy - none.accuracy}}\n")
    assert dropbench(capsys, *WORDS, "-q").code == 0
    told = re.sub(r"\s+", " ", dropbench(capsys, "report").out)
    assert "The contrasts of the study faster are only in its own report: add study=faster." in told


def test_a_contrast_without_its_arm_is_said_to_have_no_answer(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *WORDS, "-q").code == 0
    (comparison,) = report(capsys, "--where", "train.lr<0.002")["comparisons"]
    assert comparison["contrasts"] == []
    assert sum("cannot be computed here" in note for note in comparison["notes"]) == 2
