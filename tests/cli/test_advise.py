"""`dropbench advise` from the shell: it ends in time, with three sentences, a command that can be typed, and a page."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from terminal import dropbench

QUICK = ("data=wine", "train.epochs=2", "--minutes", "3")


@pytest.fixture(autouse=True)
def _one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropbench.planning.advising.MOST", 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("advice") / "results"


def test_three_sentences_a_command_and_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "advise", *QUICK, f"results={folder}")
    assert said.code == 0, said.err
    first, *_ = said.out.splitlines()
    assert first.startswith(("Use ", "Don't bother: ", "Cannot tell yet: "))
    assert "4 arms, each at the best of 3 learning rates" in said.err
    assert "tuned: " not in said.err and "also try" not in said.err  # for those who choose the next rates themselves
    (line,) = [text for text in said.out.splitlines() if text.startswith("To train it: ")]
    typed = shlex.split(line.removeprefix("To train it: "))
    assert typed[:2] == ["dropbench", "train"]
    assert "\nseed:" not in (folder / "advice.yaml").read_text() and "lr:" in (folder / "advice.yaml").read_text()
    assert (folder / "advice.html").read_text().startswith("<!doctype html>")
    # What it did is an ordinary plan, and its winner a run of it.
    again = dropbench(capsys, *typed[1:])
    assert again.code == 0 and "finished already" in again.err
    assert dropbench(capsys, "report", str(folder), "study=advise").code == 0


def test_asked_again_it_goes_on_and_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((folder / "runs").iterdir())
    said = dropbench(capsys, "advise", *QUICK, f"results={folder}", "--json")
    told = json.loads(said.out)
    assert told["decision"] in ("use", "leave", "unknown") and len(told["sentences"]) == 3
    assert told["command"].startswith("dropbench train ") and Path(told["page"]).is_file()
    assert set(before) <= set((folder / "runs").iterdir())


def test_quiet_it_says_the_advice_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "advise", *QUICK, f"results={folder}", "--quiet")
    told = json.loads(dropbench(capsys, "advise", *QUICK, f"results={folder}", "--json").out)
    assert said.err == "" and said.out.splitlines() == told["sentences"]


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_where_the_time_is_over_too_soon_that_is_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("dropbench.cli.advise.time", SimpleNamespace(monotonic=lambda: -1e9))
    said = dropbench(capsys, "advise", *QUICK, option, f"results={tmp_path}")
    (line,) = json.loads(said.out)["sentences"] if option == "--json" else said.out.splitlines()
    assert said.code == 0 and line.startswith("Cannot tell yet: the time was over")


def test_what_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "advise", *QUICK, "--dry-run", f"results={tmp_path}")
    assert said.code == 0 and not any(tmp_path.iterdir())
    assert "more runs" in said.out


def test_a_choice_of_its_own_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "advise", "data=wine", "dropout=spatial")
    assert said.code == 2
    assert said.err.splitlines()[0].endswith(
        "dropout=spatial: advise chooses this itself; leave it out, or use dropbench sweep"
    )
