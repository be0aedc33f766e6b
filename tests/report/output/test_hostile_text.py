"""Whatever a record, a plan or a path says, it steers no terminal, breaks no cell and is run by no spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.output.figures import draw
from dropbench.store import Measure, Skipped
from dropbench.values import plain

EVIL = "\x1b[31mred\x1b]0;title\x07 \u202egnpexe\u2066 line\nnext\tcell\r\x00 \u2028 |`"


def steers(text: str, but: str = "\n") -> set[str]:
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in but}


@given(st.text())
def test_plain_text_is_seen_and_what_is_seen_stays(text: str) -> None:
    told = plain(text)
    assert not steers(told, but="") and plain(told) == told
    if not steers(text, but=""):
        assert told == text


def test_letters_beyond_ascii_are_plain() -> None:
    assert plain("été ± ≤ • 95 % 漢字 \N{NO-BREAK SPACE}") == "été ± ≤ • 95 % 漢字 \N{NO-BREAK SPACE}"
    assert plain("a\x1b[0m\u202e\n") == r"a\x1b[0m\u202e\n"
    assert plain(Path("a\nb")) == r"a\nb" and plain("\ud800") == r"\ud800"


@pytest.fixture
def hostile(fake: Any, fake_plan: Any, store: Any) -> Any:
    """Two arms, one called evil, whose every text is."""
    arms: dict[str, list[Any]] = {"none": [], EVIL: []}
    for seed in range(7):
        for name, changes in (("none", {}), (EVIL, {"dropout": "standard", "dropout.rate": 0.5})):
            status = "diverged" if name == EVIL and seed == 6 else "completed"
            record = fake(
                seed,
                changes={**changes, "model.widths": EVIL, "train.note": EVIL, "dropout.placement": [EVIL]},
                status=status,
                reason=EVIL if status == "diverged" else None,
                device=EVIL if seed else "cpu",
                git_commit=EVIL if seed else None,
                learned_rates={EVIL: 0.25} if name == EVIL else {},
                versions={"dropbench": EVIL if seed else "0", "torch": EVIL},
                test=0.8 + seed / 100,
            )
            if status == "completed":
                record.metrics[f"test_{EVIL}"] = record.metrics["test_=1+1"] = seed / 7
                record.metrics["status"] = record.metrics["test_a.b"] = 1.0
                record.measures[EVIL] = Measure("lower")
            store.write(record, [{"epoch": 1, "val_loss": 1.0, "val_accuracy": 0.5}], "")
            arms[name].append(record)
    store.write_plan(fake_plan(arms, study=f"s{EVIL}", question=EVIL, overrides=[f"model.widths={EVIL}"]))
    (store.root / "runs" / "bad\x1b[0m").mkdir()
    return store


@pytest.mark.parametrize("fmt", ["rich", "markdown", "latex", "html", "json", "csv"])
def test_no_format_carries_a_control_character(hostile: Any, fmt: str) -> None:
    compared = report.build([hostile.root])
    ours, theirs = (f"arm({label!r}).test_loss" for label in reversed(compared.comparisons[0].labels))
    questions = report.Questions.typed([f"{ours} - {theirs}"], ["dropout,dropout.placement"], [], ["dropout"])
    with pytest.raises(UsageError) as told:
        report.asked([hostile.root], [], questions)
    assert not steers(str(told.value), but="")
    for built in (
        compared,
        report.explained(compared),
        report.list_runs([hostile.root]),
        report.asked([hostile.root], [], replace(questions, interactions=())),
        report.build([hostile.root], metric=plain(EVIL)),
        report.pivot([hostile.root], rows="device", cols="dropout"),
    ):
        text = report.render(built, fmt, wide=True)
        assert not steers(text), fmt
        if fmt == "json":
            assert not steers("".join(_texts(json.loads(text))), but="")
    assert r"\x1b[31mred" in text or fmt == "latex"


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [t for pair in tree.items() for part in pair for t in _texts(part)]
    if isinstance(tree, list):
        return [t for part in tree for t in _texts(part)]
    return [tree] if isinstance(tree, str) else []


def test_a_study_of_that_name(hostile: Any) -> None:
    (plan,) = hostile.plans()
    built = report.for_plan(hostile, replace(plan, baseline=EVIL))
    (comparison,) = built.comparisons
    assert plain(EVIL) in comparison.labels[1] and comparison.baseline is not None
    console = Console(file=io.StringIO(), width=100)
    report.show(built, console)
    assert not steers(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_picture_of_it_is_xml(hostile: Any) -> None:
    (pictures,) = draw(report.build([hostile.root]))
    assert pictures
    for picture in pictures:
        ElementTree.fromstring(picture.svg())


def test_a_spreadsheet_runs_no_cell(fake: Any, fake_plan: Any, store: Any) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\N{FULLWIDTH EQUALS SIGN}1", "safe"]
    arms = {}
    for i, name in enumerate(names):
        record = fake(0, changes={"dropout": "standard", "dropout.rate": i / 10}, val=0.5, test=0.4 + i / 100)
        store.write(record, [], "")
        arms[name] = [record]
    built = report.for_plan(store, fake_plan(arms, baseline="safe"))
    rows = list(csv.DictReader(io.StringIO(report.render(built, "csv"))))
    assert [row["arm"] for row in rows] == [*(f"'{name}" for name in names[:-1]), "safe"]
    differences = [float(row["test_accuracy_diff_mean"]) for row in rows[:-1]]
    assert all(d < 0 for d in differences)  # numbers are numbers, negative ones too
    assert [r["arm"] for r in json.loads(report.render(built, "json"))["rows"]] == names


def test_what_was_skipped_is_told_plainly(store: Any, put: Any, fake: Any) -> None:
    from dropbench.report.tables.notes import runs as notes

    put(fake(0))
    (note,) = map(plain, notes.skipped([Skipped(Path(EVIL), EVIL)]))
    assert not steers(note, but="")
