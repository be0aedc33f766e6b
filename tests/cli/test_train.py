"""`dropbench train`: what it shows of a run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from terminal import TINY, dropbench


def test_train_shows_the_run_and_shows_it_again(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = dropbench(capsys, "train", *TINY)
    assert first.code == 0
    assert re.search(r"^epoch 1/1  train/val accuracy \d", first.err)
    assert "accuracy" in first.out and "results/runs/" in first.out
    assert "\nscores of epoch 1 of 1, its last; " in first.out
    again = dropbench(capsys, "train", *TINY)
    assert again.code == 0
    assert re.match(r"run \w{12} is finished already; its record is shown again", again.err)
    assert again.out == first.out


def test_the_scores_of_a_run_say_which_epoch_they_are_of(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line seen in training is of the last epoch; with early stopping the scores are of an earlier one."""
    early = ["data=wine", "model.widths=[8]", "train.epochs=40", "train.lr=0.3", "train.patience=2"]
    said = dropbench(capsys, "train", *early)
    told = re.search(r"^scores of epoch (\d+) of (\d+), its best by val_loss; ", said.out, re.MULTILINE)
    assert told and int(told[1]) == int(told[2]) - 2


def test_what_evaluation_with_noise_adds_is_shown(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no training side, and no gap."""
    small = ["data=wine", "model.widths=[8]", "train.epochs=1", "eval.passes=2"]
    said = dropbench(capsys, "train", *small, "eval.mode=mc")
    assert said.code == 0 and re.search(r"mc accuracy +\d+\.\d\d % +\d+\.\d\d % *\n", said.out)
    assert "mc mutual information" in said.out
    said = dropbench(capsys, "train", *small, "eval.mode=ensemble")
    assert said.code == 0 and "geometric loss" in said.out
    said = dropbench(capsys, "report", "eval.mode=mc", "--metric", "mc_accuracy")
    assert (said.code, said.err) == (0, "") and "mc acc. %" in said.out


def test_a_run_without_loss_or_accuracy_has_progress_too(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "train", *TINY, "metric=accuracy", "train.monitor=val_accuracy")
    assert re.match(r"epoch 1/1  train/val accuracy \S+ %  gap \S+  lr 0.001  \S+ s left\n", said.err)


def test_cfg_can_be_read_back(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*TINY, "seed=3", "dropout.rates={input: 0.2, hidden.0: 0.3}")
    shown = OmegaConf.to_container(OmegaConf.create(dropbench(capsys, "train", *words, "--cfg").out))
    assert json.loads(dropbench(capsys, "train", *words, "--cfg", "--json").out) == shown
    assert not (bare / "results").exists()
    stored = json.loads(dropbench(capsys, "train", *words, "--json").out)["config"]
    assert isinstance(shown, dict)
    extra = {key: shown.pop(key) for key in ("device", "results", "execute")}
    assert extra == {
        "device": "auto",
        "results": "results",
        "execute": {
            "name": "local",
            "workers": "auto",
            "threads": 1,
            "cohort": "auto",
            "checkpoint": "30s",
            "timeout": None,
            "products": "auto",
        },
    }
    assert (shown["data"].pop("root"), shown["data"].pop("download")) == ("data", False)
    beside = [shown["train"].pop(key) for key in ("loggers", "save", "extendable")] + [shown["eval"].pop("keep")]
    assert beside == [[], None, False, "auto"]
    assert shown == stored


def test_divergence_is_said_and_is_no_failure(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data=wine", "model.widths=[4]", "train.optimizer=sgd", "train.lr=1e30", "train.epochs=3")
    said = dropbench(capsys, "train", *words)
    assert said.code == 0
    assert re.search(r"^run \w{12} diverged: the loss was not finite in epoch \d\n", said.err, re.MULTILINE)
    assert said.out.startswith("no result: the loss was not finite in epoch ")
    said = dropbench(capsys, "sweep", *words, "seed=0,1")
    assert said.code == 0
    assert "2 runs, 1 finished already and skipped" in said.err
    assert len(re.findall(r"^run \w{12} diverged: ", said.err, re.MULTILINE)) == 1


def test_training_imports_no_sympy(bare: Path) -> None:
    """Torch does, for a third of a second, where a gradient is given what it is multiplied by."""
    command = [sys.executable, "-X", "importtime", "-m", "dropbench", "train", *TINY, "regularizer=[sam,fgsm_training]"]
    done = subprocess.run(command, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == 0 and "torch" in imported and "sympy" not in imported


def test_dry_run_shows_what_would_be_trained_and_writes_nothing(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(bare.rglob("*"))
    said = dropbench(capsys, "train", *TINY, "--dry-run")
    assert said.code == 0 and "1 cohort of 1 run" in said.out and sorted(bare.rglob("*")) == before
    (run,) = json.loads(dropbench(capsys, "train", *TINY, "--dry-run", "--json").out)["runs"]
    record = json.loads(dropbench(capsys, "train", *TINY, "--json").out)
    assert run["run_id"] == record["run_id"]
    assert "nothing is left to train" in dropbench(capsys, "train", *TINY, "--dry-run").out


def test_scores_of_two_examples_are_said_to_say_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for rows, few in ((12, True), (300, False)):
        table = "".join(f"{i},{i * 7 % 5},{i % 2}\n" for i in range(rows))
        Path(f"t{rows}.csv").write_text(f"a,b,y\n{table}")
        words = ("data=csv", f"data.path=t{rows}.csv", "data.target=y", "train.epochs=1", "device=cpu")
        said = dropbench(capsys, "train", *words)
        assert said.code == 0
        assert ("the test scores are of 2 examples, so they say next to nothing" in said.err) == few
