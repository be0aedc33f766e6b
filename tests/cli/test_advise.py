"""`dropbench advise` from the shell: it ends in time, with three sentences, a command that can be typed, and a page."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from terminal import dropbench

from dropbench.cli.advise import _tuned
from dropbench.cli.training import trained
from dropbench.errors import Interrupted

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
    assert "4 arms, each at the best of 3 or more learning rates" in said.err
    assert "tuned: " not in said.err and "also try" not in said.err  # for those who choose the next rates themselves
    (line,) = [text for text in said.out.splitlines() if text.startswith("To train it: ")]
    typed = shlex.split(line.removeprefix("To train it: "))
    assert typed[:2] == ["dropbench", "train"]
    (file,), (page,) = folder.glob("advice-mlp-on-wine-*.yaml"), folder.glob("advice-mlp-on-wine-*.html")
    assert "\nseed:" not in file.read_text() and "lr:" in file.read_text()
    assert page.read_text().startswith("<!doctype html>") and file.stem == page.stem
    assert f"Its configuration is in {file}; the evidence, with every number, is in {page}" in said.out
    # What it did is an ordinary plan, and its winner a run of it.
    again = dropbench(capsys, *typed[1:])
    assert again.code == 0 and "finished already" in again.err
    assert dropbench(capsys, "report", str(folder), "study=advise").code == 0


def test_asked_again_it_says_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new estimate of the time differs a little from the first; that must not become another comparison."""
    before = [sorted((folder / name).iterdir()) for name in ("runs", "plans")]
    monkeypatch.setattr("dropbench.planning.advising.MOST", 7)
    said = dropbench(capsys, "advise", *QUICK, f"results={folder}", "--json")
    told = json.loads(said.out)
    assert told["decision"] in ("use", "leave", "unknown") and len(told["sentences"]) == 3
    assert told["command"].startswith("dropbench train ") and Path(told["page"]).is_file()
    assert [sorted((folder / name).iterdir()) for name in ("runs", "plans")] == before
    # Its page begins with the advice, and proposes no other next step: other reports count the seeds to add by hand.
    assert list(folder.glob("*.html")) == [Path(told["page"])]
    page = unescape(Path(told["page"]).read_text()).replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")
    assert all(sentence in page for sentence in told["sentences"])
    assert "decided on before looking again" not in page
    assert (f"Next: {told['next']}" in page) == (told["decision"] == "unknown")
    quiet = dropbench(capsys, "advise", *QUICK, f"results={folder}", "--quiet")
    assert quiet.err == "" and quiet.out.splitlines() == told["sentences"]


@pytest.mark.parametrize(("minutes", "seeds"), [("0.1", 6), ("600", 30)])
def test_a_larger_comparison_takes_much_more_time_than_the_one_before(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, minutes: str, seeds: int
) -> None:
    """Whatever the estimate says: a machine that is less busy today does not begin anew."""
    monkeypatch.setattr("dropbench.planning.advising.MOST", 30)
    monkeypatch.setattr("dropbench.cli.advise._seconds", lambda course: 1e-3)
    monkeypatch.setattr("dropbench.cli.advised_before.trained_in", lambda *given: 10.0)
    said = dropbench(capsys, "advise", *QUICK[:2], "--minutes", minutes, f"results={folder}", "--dry-run")
    assert f"up to {seeds} fresh seeds" in said.err


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_where_the_time_is_over_too_soon_that_is_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("dropbench.cli.advise.time", SimpleNamespace(monotonic=lambda: -1e9))
    said = dropbench(capsys, "advise", *QUICK, option, f"results={tmp_path}")
    (line,) = json.loads(said.out)["sentences"] if option == "--json" else said.out.splitlines()
    assert said.code == 0 and line.startswith("Cannot tell yet: the time was over")


def test_a_stop_before_the_baseline_has_a_run_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arms are trained side by side, and another one may be first."""

    def others(looks: Iterator[int], plan: Any, work: Any, *given: Any) -> Any:
        if next(looks):
            parts = [replace(c, specs=tuple(s for s in c.specs if s.dropout.rate)) for c in work.cohorts]
            work = replace(work, cohorts=[c for c in parts if c.specs])
        return trained(plan, work, *given)

    monkeypatch.setattr("dropbench.cli.sweep.trained", partial(others, itertools.count()))
    said = dropbench(capsys, "advise", *SHORT, "--minutes", "3", f"results={tmp_path}", "--quiet")
    assert said.code == 0 and said.out.startswith(
        "Cannot tell yet: the time was over before anything could be compared."
    )


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (0, ", with 0 of 12 runs of the tuning done"),
        (
            3,
            ", with 3 of 12 runs of the tuning done; the others take about 9 s",
        ),  # 3 × 2 s / 2 workers, and 9 of 3 are left
        (12, ""),
    ],
)
def test_how_much_of_the_tuning_is_left_is_said(ended: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropbench.execute.executors.place", lambda _: SimpleNamespace(workers=2))
    runs = [f"r{i}" for i in range(12)]
    first = SimpleNamespace(specs=[SimpleNamespace(run_id=run) for run in runs], settings=None)
    store = SimpleNamespace(
        is_done=lambda run: run in runs[:ended],
        finished=lambda run: SimpleNamespace(seconds=2.0) if run in runs[:ended] else None,
    )
    assert _tuned(SimpleNamespace(first=first), SimpleNamespace(store=store)) == told  # type: ignore[arg-type]


def test_what_to_type_about_the_data_is_said_with_the_answer_and_how_the_own_network_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning before the training has scrolled away by then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = [f"{1000 + i // 4},{i * 13 % 11}.5,{'a' if i % 3 else 'b'}" for i in range(60)]
    Path("shops.csv").write_text("\n".join(["customer,x,y", *rows]))
    net = "nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Dropout(0.3), nn.Linear(4, 2))"
    Path("drops_as_written.py").write_text(f"from torch import nn\n\n\ndef net():\n    return {net}\n")
    words = ("data=csv", "data.path=shops.csv", "data.target=y", "train.epochs=1", "execute.workers=1")
    said = dropbench(
        capsys, "advise", "model=module", "model.target=drops_as_written:net", *words, "--minutes", "3", "--json"
    )
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert "Your network as written" in told["sentences"][2]
    assert told["sentences"][2].endswith("type data.group=customer; else data.drop=[customer].")
    mended = dropbench(capsys, "advise", *words, "data.group=customer", "model.widths=[4]", "--minutes", "3", "--json")
    assert "About the data" not in json.loads(mended.out)["sentences"][2]
    # Each question has a page of its own.
    pages = [Path(json.loads(out)["page"]) for out in (said.out, mended.out)]
    assert pages[0] != pages[1] and all("shops" in page.name and page.is_file() for page in pages)
    assert "data.group=customer; else" in unescape(pages[0].read_text()).replace("\N{NO-BREAK SPACE}", " ")
    assert "group: customer" in pages[1].with_suffix(".yaml").read_text()


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


SHORT = ("data=wine", "train.epochs=1", "model.widths=[4]", "execute.workers=1")


def _some(looks: Iterator[int], plan: Any, work: Any, store: Any, *others: Any) -> Any:
    """Train the first stage, the tuning, and of the next one the first two seeds."""
    if next(looks):
        seeds = sorted({s.seed for cohort in work.cohorts for s in cohort.specs})[:2]
        cohorts = [replace(c, specs=tuple(s for s in c.specs if s.seed in seeds)) for c in work.cohorts]
        work = replace(work, cohorts=[c for c in cohorts if c.specs])
    return trained(plan, work, store, *others)


def test_what_the_clock_left_open_is_not_said_to_be_in_vain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice of the clock and the advice do not contradict each other: only the advice says whether to go on."""
    words = ("advise", *SHORT, "--minutes", "3", f"results={tmp_path}")
    with monkeypatch.context() as patched:
        patched.setattr("dropbench.cli.sweep.trained", partial(_some, itertools.count()))
        stopped = dropbench(capsys, *words)
    assert stopped.code == 0 and "the time is over: " in stopped.err
    assert "run the same command again" not in stopped.err
    first, need, *_ = stopped.out.splitlines()
    assert first.startswith("Cannot tell yet: in test accuracy the best that was tried, ")
    assert need == (
        "What it would take: no verdict is possible with fewer than 6 seeds, and the time was over after 2; "
        "run the same command again to continue."
    )
    # Another length of training is another comparison.
    longer = dropbench(capsys, *(text.replace("epochs=1", "epochs=2") for text in words), "--dry-run")
    assert "a run has up to 2 epochs" in longer.err
    # The same one goes on and, if there is time left after it, with a larger one.
    monkeypatch.setattr("dropbench.planning.advising.MOST", 12)
    again = dropbench(capsys, *words)
    assert again.code == 0 and "up to 6 fresh seeds" in again.err and "up to 12 fresh seeds" in again.err
    assert "under 12 paired seeds" in again.out


def test_a_run_that_failed_does_not_cost_the_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        ended = trained(*given)
        ended[0] = replace(ended[0], record=replace(ended[0].record, status="failed", reason="broke"))
        return ended

    monkeypatch.setattr("dropbench.cli.sweep.trained", broken)
    said = dropbench(capsys, "advise", *SHORT, "--minutes", "3", f"results={tmp_path}")
    assert said.code == 1 and "failed: broke" in said.err
    assert said.out.startswith(("Use ", "Don't bother: ", "Cannot tell yet: "))


def test_after_ctrl_c_it_says_how_to_have_the_advice_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any) -> Any:
        raise Interrupted("Stopped: 2 of 9 runs had finished")

    monkeypatch.setattr("dropbench.cli.sweep.trained", interrupted)
    said = dropbench(capsys, "advise", *SHORT, "--minutes", "3", f"results={tmp_path}")
    assert said.code == 130
    assert said.err.rstrip().endswith(
        "Stopped: 2 of 9 runs had finished; for advice from what is stored so far, add --minutes 0.1"
    )
