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
    ],
)
def test_in_bash(words: list[str], found: list[str]) -> None:
    environment = os.environ | {
        "_DROPBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["dropbench", *words]),
        "COMP_CWORD": str(len(words)),
    }
    script = "import sys; sys.argv[0] = 'dropbench'; from dropbench.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == found, done.stderr
