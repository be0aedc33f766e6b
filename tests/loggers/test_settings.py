"""train.loggers: typed among the settings of training, and no part of what a run is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from specs_kit import composed
from terminal import dropbench

from dropbench import loggers
from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.spec import TrainSpec


@pytest.mark.parametrize(
    ("words", "run_id"),
    [
        ((), "9e33fef264c0"),
        (("model=cnn", "dropout=spatial", "dropout.rate=0.2", "seed=3", "train=zaremba_small"), "14b60459d251"),
    ],
)
def test_ids_know_no_loggers(c: Composer, words: tuple[str, ...], run_id: str) -> None:
    assert composed(c, *words).spec.run_id == run_id
    assert composed(c, *words, "train.loggers=[csv,mlflow]").spec.run_id == run_id
    assert "train_loggers" not in TrainSpec.model_fields


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("train.loggers=csv", ("csv",)),
        ("train.loggers=[csv,tensorboard,csv]", ("csv", "tensorboard")),
        ("train.loggers=[]", ()),
        ("train.loggers=null", ()),
        ("seed=0", ()),
    ],
)
def test_names(c: Composer, word: str, names: tuple[str, ...]) -> None:
    assert composed(c, word).settings.train_loggers == names


def test_another_name_is_told_the_names(c: Composer) -> None:
    with pytest.raises(UsageError, match=r"train\.loggers.*=wandb: it must be 'csv', 'tensorboard' or 'mlflow'"):
        composed(c, "train.loggers=[csv,wandb]")
    with pytest.raises(UsageError, match=r"train\.loggers=3: "):
        composed(c, "train.loggers=3")


def test_several_are_a_list_and_not_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", "train.loggers=csv,tensorboard", "data=digits")
    assert said.code == 2
    assert (
        "'train.loggers' applies to the whole sweep: give it one value, or a list of several: [csv,tensorboard]"
        in said.err
    )


def test_they_are_shown_among_the_settings_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  loggers:\n  - csv\n" in dropbench(capsys, "train", "--cfg", "train.loggers=csv").out


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
@pytest.mark.parametrize("command", [("train",), ("sweep",), ("sweep", "--dry-run")])
def test_a_library_that_is_missing_is_told_before_anything_trains(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
    name: str,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    said = dropbench(capsys, *command, f"train.loggers=[csv,{name}]", f"results={tmp_path / 'results'}")
    assert said.code == 2 and f"pip install 'dropbench[{name}]'" in said.err
    assert not (tmp_path / "results").exists()


def test_a_server_takes_no_more_than_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: object() if package == "mlflow" else None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    loggers.check(["csv", "mlflow"])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(UsageError, match="sqlalchemy and alembic"):
        loggers.check(["csv", "mlflow"])


def test_no_library_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, dropbench.cli.sweep, dropbench.loggers, dropbench.loggers.csv; dropbench.loggers.check(['csv']); "
        "print(sorted({'mlflow', 'tensorboard', 'sqlalchemy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
