"""`import dropbench as db`: the commands as functions, with the same code behind them."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from terminal import dropbench

import dropbench as db
from dropbench.store import Store


def test_importing_loads_nothing_that_takes_time() -> None:
    """What is heavy comes in with the first function that needs it; `dir` and `help` name all of them all the same."""
    heavy = ("torch", "numpy", "pandas", "hydra", "omegaconf", "pydantic", "scipy", "sklearn", "rich", "typer")
    code = (
        "import sys, dropbench as db; assert {'sweep', 'train', 'report', 'load', 'history', 'load_model'} <= set(dir(db)); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_is_that_of_the_command(swept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    typed = dropbench(capsys, "report", str(swept.results), "study=three_arm", "--format", "csv")
    written = pd.read_csv(StringIO(typed.out))
    frame = swept.answer.frame
    assert list(frame.columns) == list(written.columns)
    assert frame["arm"].tolist() == ["none", "reduced", "target"]
    for column in ("test_accuracy", "test_accuracy_difference"):
        if column in frame:
            assert frame[column].tolist() == pytest.approx(written[column].tolist(), nan_ok=True)


def test_report_answers_as_the_sweep_did(swept: Any) -> None:
    again = db.report(swept.results, "study=three_arm")
    pd.testing.assert_frame_equal(again.frame, swept.answer.frame)
    pd.testing.assert_frame_equal(again.runs, swept.answer.runs)
    assert again.headlines == swept.answer.headlines
    assert db.report(swept.results, metric="loss").frame is not None


def test_runs_are_those_that_are_stored(swept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runs = swept.answer.runs
    records = Store(swept.results).load().records
    assert sorted(runs["run_id"]) == sorted(r.run_id for r in records)
    assert runs.groupby("arm", sort=False).size().to_dict() == {"none": 6, "reduced": 6, "target": 6}
    typed = dropbench(capsys, "report", str(swept.results), "--runs", "--format", "csv")
    written = pd.read_csv(StringIO(typed.out))
    loaded = db.load(swept.results)
    assert list(loaded.columns) == list(written.columns)
    assert loaded["test_accuracy"].tolist() == pytest.approx(written["test_accuracy"].tolist())
    assert db.load(swept.results, "study=three_arm", {"seed": 1}, where="dropout.rate>0.3")["arm"].tolist() == [
        "target"
    ]


def test_history_is_what_the_files_say(swept: Any) -> None:
    table = db.history(swept.results, "seed=0", "study=three_arm")
    assert table.groupby("arm").size().to_dict() == {"none": 2, "reduced": 2, "target": 2}
    assert table["epoch"].tolist() == [1, 2] * 3
    run = table["run_id"].iloc[0]
    of_file = pd.read_csv(swept.results / "runs" / run / "history.csv")
    ours = table[table["run_id"] == run].reset_index(drop=True)
    assert ours["val_loss"].tolist() == pytest.approx(of_file["val_loss"].tolist())


def test_what_is_finished_is_not_trained_again(swept: Any) -> None:
    before = {f: f.stat().st_mtime_ns for f in swept.results.glob("runs/*/record.json")}
    again = db.sweep("study=three_arm", *swept.small, {"seed": range(6), "results": swept.results}, quiet=True)
    assert {f: f.stat().st_mtime_ns for f in swept.results.glob("runs/*/record.json")} == before
    assert again.headlines == swept.answer.headlines


def test_train_gives_the_run(swept: Any, tmp_path: Path) -> None:
    run = db.train(*swept.small, {"results": tmp_path / "r", "train.save": "best", "dropout.rate": 0.25}, quiet=True)
    assert run.status == "completed" and run.config["dropout"]["rate"] == 0.25
    assert run.metrics == json.loads((run.folder / "record.json").read_text())["metrics"]
    assert run.history["epoch"].tolist() == [1, 2]
    assert run.run_id in repr(run)
    assert sum(p.numel() for p in run.model().parameters()) == run.record.parameters


def test_weights_that_are_asked_for_too_late_are_told_at_the_call(
    swept: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A finished run is not trained again for its weights alone, and `quiet` hides no warning."""
    here = {"results": tmp_path / "r"}
    db.train(*swept.small, here, quiet=True)
    assert capfd.readouterr().err == ""
    db.train(*swept.small, here, {"train.save": "best"}, quiet=True)
    said = capfd.readouterr().err
    assert "Warning: 1 run is finished and kept no weights, so train.save=best has no effect on it; force=True" in said
    db.train(*swept.small, here, {"train.save": "best"}, force=True, quiet=True).model()
    assert capfd.readouterr().err == ""


def test_an_answer_draws_its_figures(swept: Any, tmp_path: Path) -> None:
    files = swept.answer.figures(tmp_path / "figures", width="column")
    assert {file.suffix for file in files} == {".svg", ".pdf", ".png", ".txt", ".tex"} and all(map(Path.exists, files))
    with pytest.raises(db.UsageError, match="figure_width 1: write column, page, or a width in inches"):
        swept.answer.figures(tmp_path, width=1)
    (tmp_path / "file").touch()
    with pytest.raises(db.UsageError, match=r"file: .*; choose a folder that you can write to"):
        swept.answer.figures(tmp_path / "file")


def test_help_shows_the_function_and_not_the_package() -> None:
    told = db.report.__doc__ or ""
    assert told.startswith("Compare stored runs") and "which : path, str or mapping" in told


def test_an_answer_shows_and_saves_itself(swept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    answer = swept.answer
    assert repr(answer) == str(answer) == answer.text and "Difference from no dropout" in answer.text
    narrow, broad = (max(len(line.rstrip()) for line in answer.as_text(width).splitlines()[:9]) for width in (80, 140))
    assert narrow <= 80 < broad <= 140
    page = answer._repr_html_()
    assert page.startswith("<iframe srcdoc=") and "http://" not in page.replace("http://www.w3.org", "")
    for name in ("a.html", "a.md", "a.csv", "a.json", "a.tex", "a.txt"):
        assert answer.save(tmp_path / name).stat().st_size > 200
    assert json.loads((tmp_path / "a.json").read_text())["rows"][0]["arm"] == "none"
    with pytest.raises(db.UsageError, match=r"a\.docx.*valid: .*\.html"):
        answer.save(tmp_path / "a.docx")
    with pytest.raises(db.UsageError, match="choose a file in a folder"):
        answer.save(tmp_path / "no" / "a.csv")
    pytest.importorskip("pyarrow")
    with pytest.raises(db.UsageError, match=r"directory.*; choose a file in a folder"):  # pandas gives no `strerror`
        answer.save(tmp_path / "no" / "a.parquet")


def test_text_has_no_escape_codes(swept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment asks for colours, as a notebook's does."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in swept.answer.text


def test_report_is_a_function_and_a_package() -> None:
    assert list(inspect.signature(db.report).parameters)[:2] == ["which", "baseline"]
    from dropbench.report import FORMATS

    assert "html" in FORMATS


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: db.sweep("study=three_arn"), r"did you mean 'three_arm'"),
        (lambda: db.sweep("study=three_arm", at_most=9), r"^at_most needs until_settled=True"),
        (lambda: db.sweep("study=three_arm", tuning_seeds=2), r"^tuning_seeds: .* tune "),
        (lambda: db.sweep(3), r"3 is not a setting"),  # type: ignore[arg-type]
        (lambda: db.train("model.widhts=[3]"), r"model\.widths"),
        (lambda: db.report("nowhere"), r"there is no folder nowhere"),
        (lambda: db.report(metric=" "), r"^metric is empty"),
        (lambda: db.load("nowhere"), r"there is no folder nowhere"),
    ],
)
def test_a_mistake_is_one_sentence(mistake: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(db.UsageError, match=said) as raised:
        mistake()
    assert "--" not in str(raised.value)
    lines = "".join(traceback.format_exception(raised.value)).splitlines()
    assert len(lines) < 20 and sum(str(raised.value) in line for line in lines) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("conf", ["", " ", ["mine", ""]])
def test_an_empty_text_is_no_folder_of_options(conf: str | list[str]) -> None:
    calls: list[Callable[[], object]] = [
        lambda: db.train("data=wine", conf=conf),
        lambda: db.sweep("data=wine", conf=conf),
        lambda: db.report(conf=conf),
        lambda: db.load_model(""),
    ]
    for call in calls:
        with pytest.raises(db.UsageError, match=r"is blank: name the folder with your own|no run was given"):
            call()
