"""Tab completion, as a function and as a shell calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropbench.cli.completion import completions


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("mo", ["model="]),
        ("d", ["dropout=", "dropout/schedule=", "data=", "device="]),
        (
            "dropout/schedule=constant,li",
            ["dropout/schedule=constant,linear_down", "dropout/schedule=constant,linear_up"],
        ),
        ("dropout.schedule.u", ["dropout.schedule.until="]),
        ("ev", ["eval."]),
        ("eval.", ["eval.keep=", "eval.mode=", "eval.passes="]),
        ("model=m", ["model=mlp", "model=module"]),
        ("model=mlp,c", ["model=mlp,cnn"]),
        ("dropout=standar", ["dropout=standard"]),
        ("dropout.rat", ["dropout.rate=", "dropout.rates="]),
        ("dropout=none,awd", ["dropout=none,awd_lstm"]),
        ("dropout=[locked,weight", ["dropout=[locked,weight_drop"]),
        ("dropout/locked/schedule=ea", ["dropout/locked/schedule=early"]),
        ("dropout.locked.rat", ["dropout.locked.rate=", "dropout.locked.rates="]),
        ("dropout.locked.schedule.u", ["dropout.locked.schedule.until="]),
        ("train.l", ["train.label_smoothing=", "train.loggers=", "train.loss=", "train.lr="]),
        ("data.n_", ["data.n_train="]),
        ("nothing.", []),
        ("seed=", []),
    ],
)
def test_words(word: str, found: list[str]) -> None:
    assert completions(word, []) == found


def test_own_options(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# mine\n_target_: mine.Mine\nname: mine\ndepth: 3\n")
    assert completions("model=mi", [tmp_path]) == ["model=mine"]
    assert completions("model.de", [tmp_path]) == ["model.depth="]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["train", "model=c"], ["model=cnn"]),
        (["train", "model", "=", "c"], ["cnn"]),  # bash breaks words at `=`
        (["train", "study", "=", "k"], ["kadra2021"]),
        (["sweep", "seed", "=", "3", "model", "=", "m"], ["mlp", "module"]),
        (["sweep", "stu"], ["study="]),
        (["tr"], ["train"]),
        (["in"], ["init"]),
        (["report", "model=c"], ["model=cnn"]),
        (["report", "res"], ["results"]),
        (["ui", "status", "=", "f"], ["failed"]),
        (["report", "--format", "m"], ["markdown"]),
        (["report", "--metric", "adapt"], ["adaptive_ece"]),
        (["report", "--rows", "dropout.rat"], ["dropout.rate", "dropout.rates"]),
        (["report", "--about", "p"], ["pool"]),
        (["list", "me"], ["metrics"]),
        (["sweep", "--tune", "train.lr"], ["train.lr="]),
        (["train", "--from", "4d"], ["4df5"]),
        (["runs", "show", "4"], ["4df5"]),
        (["runs", "list", "results/o"], ["results/old"]),
        (["runs", "remove", "b2"], ["b26e0f"]),
        (["runs", "stop", "th"], ["three_arm-1"]),
        (["runs", "prune", "--only", "set"], ["set-aside"]),
    ],
)
def test_in_bash(words: list[str], found: list[str], tmp_path: Path) -> None:
    for folder in ("runs/4df5", "failed/b26e0f", "jobs/three_arm-1", "old/runs"):
        (tmp_path / "results" / folder).mkdir(parents=True)
    environment = os.environ | {
        "_DROPBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["dropbench", *words]),
        "COMP_CWORD": str(len(words)),
    }
    script = "import sys; sys.argv[0] = 'dropbench'; from dropbench.cli.app import main; main()"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == found, done.stderr


def test_words_that_are_written_again_are_those_that_count() -> None:
    from dropbench.cli import completion, listing
    from dropbench.report.output import FORMATS
    from dropbench.report.records.filters import STATUSES
    from dropbench.report.tables.columns import NAMES
    from dropbench.report.tables.population import ABOUT
    from dropbench.report.upkeep import KINDS

    assert set(completion.TABLES) == set(NAMES)
    assert set(completion.FORMATS) == set(FORMATS) and completion.ABOUT == ABOUT and completion.STATUSES == STATUSES
    assert tuple(KINDS) == completion.PRUNED and (*listing._SECTIONS, "sites", "columns") == completion.SECTIONS
