"""`dropbench report` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import TINY, dropbench

from dropbench.cli.formats import chosen
from dropbench.errors import UsageError
from dropbench.report.output import ENDINGS, FORMATS
from dropbench.store import Store

ABOUT = ("--about", "examples")


def test_many_options_and_metrics_leave_a_report_without_warnings(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """pandas warns of a frame whose columns came one by one; filters make warnings errors, but not in the user's terminal."""
    for words in (["model=mlp", "eval.mode=mc", "eval.passes=2"], ["model=rnn", "dropout=zoneout"], ["model=cnn"]):
        assert dropbench(capsys, "train", "data.n_train=50", "train.epochs=1", *words).code == 0
    said = dropbench(capsys, "report")
    assert (said.code, said.err) == (0, "")


def test_report_writes_a_file(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dropbench(capsys, "train", *TINY)
    assert dropbench(capsys, "report", "-f", "markdown", "-o", "table.md").err == "written to table.md\n"
    assert "standard 0.5" in (bare / "table.md").read_text()
    dropbench(capsys, "train", *TINY, "results=elsewhere")
    by_key, by_path = (dropbench(capsys, "report", w) for w in ("results=elsewhere", "elsewhere"))
    assert by_key == by_path and by_key.code == 0
    said = dropbench(capsys, "report", "-o", "nowhere/table.md")
    assert (said.code, said.err.partition(":")[0]) == (2, "Error")


@pytest.mark.parametrize(
    ("typed", "as_json", "out", "fmt"),
    [
        (None, False, None, "rich"),
        (None, False, "r.html", "html"),
        (None, False, "r.TEX", "latex"),
        (None, False, "r.pq", "parquet"),
        (None, False, "report", "rich"),
        ("csv", False, "r.html", "csv"),
        (None, True, "r.html", "json"),
        ("json", True, None, "json"),
        ("md", False, None, "markdown"),
        ("tex", False, None, "latex"),
        ("text", False, None, "rich"),
        ("xls", False, "r.csv", "xls"),
        ("", False, "r.csv", ""),
    ],
)
def test_a_format_is_typed_or_what_the_ending_means(
    typed: str | None, as_json: bool, out: str | None, fmt: str
) -> None:
    assert chosen(typed, as_json, None if out is None else Path(out)) == fmt


def test_every_format_that_is_a_file_has_an_ending() -> None:
    assert set(ENDINGS.values()) == set(FORMATS) - {"verdict"}


def test_an_ending_that_no_format_has_is_told(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "train", *TINY, "-q").code == 0
    for name, told in (("a.jsn", ", as text because no format has the ending .jsn"), ("a.txt", ""), ("a", "")):
        assert dropbench(capsys, "report", "--out", name).err == f"written to {name}{told}\n"
    said = dropbench(capsys, "report", "--every", "3")
    assert said.code == 2 and said.err == "Error: --every says how often --watch shows the report: add --watch\n"


def test_the_ending_decides_what_is_written(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dropbench(capsys, "train", *TINY)
    for name, begins in (("r.html", "<!doctype html>"), ("r.json", "{"), ("r.csv", "comparison,")):
        assert dropbench(capsys, "report", "-o", name).err == f"written to {name}\n"
        assert (bare / name).read_text().startswith(begins)
    said = dropbench(capsys, "report", "--format", "csv", "-o", "r.html")
    assert said.err == "written to r.html, as csv because that was typed; its ending means html\n"
    assert (bare / "r.html").read_text() == (bare / "r.csv").read_text()
    assert dropbench(capsys, "report", "--json").out.rstrip() == (bare / "r.json").read_text().rstrip()
    (run,) = (bare / "results" / "runs").iterdir()
    assert json.loads(dropbench(capsys, "report", str(run), "--json").out)["run_id"] == run.name


def test_a_key_that_is_close_is_not_said_to_be_the_only_one(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dropbench(capsys, "train", *TINY)
    for words in (("--where", "sed<1"), ("sed=1",), ("--rows", "sed")):
        said = dropbench(capsys, "report", *words)
        assert said.code == 2 and "'sed'; did you mean 'seed'? similar, of " in said.err


def test_single_runs_and_words(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "sweep", *TINY[:-1], "dropout=none,standard", "seed=range(0,2)").code == 0
    said = dropbench(capsys, "report", "--runs", "--where", "seed<1", "-f", "csv")
    assert (said.code, said.err, len(said.out.strip().splitlines())) == (0, "", 3)
    assert "--runs" in dropbench(capsys, "report", "--runs", "-f", "html").out, "it says how it was made"
    said = dropbench(capsys, "report", "--explain")
    assert said.code == 0 and "standard 0.5 against none:" in said.out
    assert "against none:" not in dropbench(capsys, "report").out
    for options in (["--rows", "model"], ["--baseline", "none"], ["--optimum", "dropout"], ["--explain"], ["--watch"]):
        said = dropbench(capsys, "report", "--runs", *options)
        assert said.code == 2 and "leave out" in said.err, options
    for options in (["--rows", "model"], ["--trend", "seed"], ["--confirm"], ["--format", "csv"], ["--watch"]):
        said = dropbench(capsys, "report", "--explain", *options)
        assert said.code == 2 and said.err.startswith("Error: --"), options


def test_questions_are_read_before_anything_is_loaded(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So a mistake in one is told where nothing is stored yet."""
    for option, text in (("--contrast", "none.test_accuracy ** 2"), ("--interaction", "dropout")):
        said = dropbench(capsys, "report", option, text)
        assert said.code == 2 and "no folder" not in said.err and text in said.err
    said = dropbench(capsys, "report", "--contrast", "none.test_accuracy - 1")
    assert said.code == 2 and "no folder" in said.err


def test_questions_of_a_sweep(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["dropout=none,standard", "train.weight_decay=0,0.1", "seed=range(0,3)"]
    assert dropbench(capsys, "sweep", *TINY[:-1], *grid).code == 0
    typed = ["--interaction", "dropout,train.weight_decay", "--optimum", "train.weight_decay"]
    typed += ["--contrast", "arm('standard 0.5').test_loss / none.loss - 1"]
    said = dropbench(capsys, "report", *typed)
    assert (said.code, said.err) == (0, "") and "Optimum of train.weight_decay" in said.out
    for other in (["--rows", "dropout"], ["--confirm"], ["--cols", "model"], ["--figures", "here"]):
        assert dropbench(capsys, "report", *typed, *other).code == 2
    page = dropbench(capsys, "report", *typed, "-f", "html").out
    assert "--interaction dropout,train.weight_decay" in page, "it says how it was made"


def test_answers_about_other_examples_or_about_these(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = ["dropout=none,standard", "dropout.rate=0.5", "seed=range(0,6)", "data.n_train=100", "train.epochs=3"]
    assert dropbench(capsys, "sweep", *sweep).code == 0
    default, examples, pool = (dropbench(capsys, "report", *words) for words in ((), ABOUT, (ABOUT[0], "pool")))
    assert default == examples != pool
    assert "Intervals and p hold for new examples like" in " ".join(default.out.split())
    assert "Intervals and p hold for these examples only" in " ".join(pool.out.split())
    wrong, rows = (dropbench(capsys, "report", *words) for words in (("--about", "us"), (*ABOUT, "--rows", "seed")))
    assert (wrong.code, rows.code) == (2, 2)
    assert "--about us: there is no such" in wrong.err and "leave out" in rows.err


def test_an_arm_of_a_study_is_named_with_the_study(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plain report names arms by their settings, since runs of several sweeps may be in it."""
    assert dropbench(capsys, "sweep", "study=three_arm", *TINY, "seed=0,1", "execute.workers=1", "-q").code == 0
    for words in (["--baseline", "target"], ["--contrast", "target.test_loss - none.test_loss"]):
        said = dropbench(capsys, "report", *words)
        assert said.code == 2 and "it is an arm of study=three_arm: add that" in said.err
        assert dropbench(capsys, "report", "study=three_arm", *words).code == 0
    assert "did you mean 'none'" in dropbench(capsys, "report", "--baseline", "nne").err


def test_a_finished_sweep_has_its_report_in_a_folder_that_cannot_be_written(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("sweep", "study=three_arm", *TINY, "seed=0,1", "execute.workers=1")
    whole = dropbench(capsys, *words)
    assert whole.code == 0

    def refused(self: Store, plan: object) -> Path:
        raise UsageError("cannot write results into results: Read-only file system")

    monkeypatch.setattr(Store, "write_plan", refused)
    assert dropbench(capsys, *words).out == whole.out
    assert dropbench(capsys, *words[:-2], "seed=0,1,2", "execute.workers=1").code == 2  # something is left to train
