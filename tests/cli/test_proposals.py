"""Commands that a report prints: they can be pasted as they are, wherever results, data and options lie."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mine import bring
from terminal import TINY, dropbench

from dropbench.cli.proposals import data_root
from dropbench.store import Store

PLACES = ("results=my results; $(x)", "data.root=été (x)")


@pytest.fixture
def conf(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (bare / "été (x)").mkdir()
    yield bring(bare / "my options")
    for name in [n for n in sys.modules if n.startswith("my_")]:  # so that others import their own of these names
        del sys.modules[name]


def comparisons(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    said = dropbench(capsys, "report", "my results; $(x)", "--conf", "my options", *words, "--format", "json")
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)["comparisons"]
    return found


def planned(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    """What a printed command would train, pasted into a shell."""
    name, *words = shlex.split(line)
    assert name == "dropbench" and "..." not in line and "…" not in line
    said = dropbench(capsys, *words, "--dry-run", "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("dropout=none,half", "dropout.rate=0.3", "model=tiny"),
        ("study=pair", "model=tiny"),
        ("dropout=none,standard", "model=tiny", "train.weight_decay=0,0.1", "train.lr=0.002"),
    ],
)
def test_the_sweep_that_tunes_is_whole(conf: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    typed = ("sweep", "--conf", "my options", *words, "data=wine", "train.epochs=1", "seed=0,1", *PLACES)
    assert dropbench(capsys, *typed, "-q").code == 0
    if "train.weight_decay=0,0.1" in words:  # of four arms no baseline is clear
        (comparison,) = comparisons(capsys, "train.weight_decay=0")
    else:
        (comparison,) = comparisons(capsys)
    (told,) = comparison["further"]
    (line,) = told["commands"]
    assert told["rule"] == "not tuned" and all(word in shlex.split(line) for word in (*PLACES, "--conf", "my options"))
    plan = planned(capsys, line)
    rates = {run["config"]["train"]["lr"] for run in plan["runs"]}
    lr = 0.002 if "train.lr=0.002" in words else 0.001
    assert rates == {float(f"{lr * factor:.2g}") for factor in (0.3, 1, 3, 10)}
    arms = len({run["config"]["dropout"]["name"] for run in plan["runs"]})
    assert arms == 2 and {run["config"]["model"]["name"] for run in plan["runs"]} == {"tiny"}


def test_the_runs_of_a_diagnosis_have_their_data(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ("sweep", *TINY, "dropout=none,standard", "seed=range(0,2)", *PLACES)
    assert dropbench(capsys, *typed, "-q").code == 0
    (comparison,) = comparisons(capsys)
    lines = [line for told in comparison["diagnosis"] for line in told["commands"]]
    assert lines and all(set(PLACES) <= set(shlex.split(line)) for line in lines)
    run = next(iter(Store(Path("my results; $(x)")).plans()[0].runs))
    said = dropbench(capsys, "runs", "show", run, "-r", "my results; $(x)").out.splitlines()[-1]
    assert PLACES[1] in shlex.split(said.removeprefix("repeat it: "))


def test_seeds_that_were_added_propose_looks_that_are_paid_for(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seeds in ("seed=0,1", "seed=0,1,2"):
        said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", seeds, *PLACES)
        assert said.code == 0
    told = {d["rule"]: d["commands"] for d in comparisons(capsys)[0]["further"]}
    (line,) = told["seeds were added"]
    assert len(planned(capsys, line)["runs"]) == 2 * 10 - 6 and "seed" not in line


def test_where_every_run_diverged_no_further_seeds_are_proposed(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seeds in ("seed=0,1", "seed=0,1,2"):
        dropbench(
            capsys, "sweep", *TINY, "train.optimizer=sgd", "train.lr=1e30", "dropout=none,standard", seeds, *PLACES
        )
    (comparison,) = comparisons(capsys)
    assert "seeds were added" not in {d["rule"] for d in comparison["further"]}


def test_a_plan_that_is_anybodys_sets_no_folder_and_no_option(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1", *PLACES, "-q").code == 0
    (file,) = (Path("my results; $(x)") / "plans").glob("*.json")
    plan = json.loads(file.read_text())
    plan["overrides"] += ["--conf=elsewhere", "-c", "results=elsewhere"]
    file.write_text(json.dumps(plan))
    (told,) = comparisons(capsys)[0]["further"]
    assert told["commands"] and "elsewhere" not in told["commands"][0]


def test_the_folder_of_the_data_is_that_of_the_newest_plan_of_the_runs(fake_plans: list[Any]) -> None:
    assert data_root(fake_plans, ["a"]) == "new=er" and data_root(fake_plans, ["c"]) is None
    assert data_root([], ["a"]) is None


@pytest.fixture
def fake_plans() -> list[Any]:
    from types import SimpleNamespace

    def plan(created: str, runs: list[str], *overrides: str) -> Any:
        return SimpleNamespace(created=created, trained=runs, overrides=list(overrides))

    return [plan("2", ["a"], "data.root=new=er"), plan("1", ["a", "b"], "data.root=old"), plan("3", ["c"])]
