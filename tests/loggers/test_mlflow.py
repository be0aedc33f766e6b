"""What MLflow's own client finds. MLflow is not among what the tests install: they are skipped where it is not here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweeping import Sweep

from dropbench import loggers
from dropbench.engine.result import Progress
from dropbench.execute.local import Stored
from dropbench.loggers import Loggers
from dropbench.loggers.base import Run

pytest.importorskip("mlflow")
pytest.importorskip("alembic")  # and with it SQLAlchemy

from mlflow.tracking import MlflowClient

from dropbench.loggers import mlflow as ours
from dropbench.loggers.mlflow import MLflow

# MLflow's own, of what SQLAlchemy has deprecated, and connections that it leaves to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A logger's folder with its tables, which take MLflow seconds to make."""
    folder: Path = tmp_path_factory.mktemp("results") / "logs/mlflow"
    MLflow(folder, "dropbench").close()
    return folder


def found(file: Path, experiment: str = "dropbench", **search: Any) -> tuple[MlflowClient, Sequence[Any]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{file}")
    there = client.get_experiment_by_name(experiment)
    assert there is not None
    return client, list(client.search_runs([there.experiment_id], **search))


def test_a_sweep_as_mlflow_reads_it(database: Path, sweep: Sweep, tmp_path: Path) -> None:
    shutil.copytree(database, tmp_path / "results/logs/mlflow")
    said = sweep("mlflow", "--json", "execute.workers=2")
    assert said.code == 0 and json.loads(said.out)["completed"] == 4
    client, runs = found(tmp_path / "results/logs/mlflow/mlflow.db")
    assert len(runs) == 4
    for run in runs:
        folder = tmp_path / "results/runs" / run.data.tags["run_id"]
        record = json.loads((folder / "record.json").read_text())
        name = "none" if record["config"]["dropout"]["name"] == "none" else "standard 0.5"
        assert (run.info.status, run.info.run_name) == ("FINISHED", f"{name}, seed {record['seed']}")
        assert (run.data.tags["arm"], run.data.tags["status"]) == (name, "completed")
        assert {
            key: run.data.params[key] for key in ("model", "dropout.rate", "seed", "train.patience", "model.widths")
        } == {
            "model": "mlp",
            "dropout.rate": str(record["config"]["dropout"]["rate"]),
            "seed": str(record["seed"]),
            "train.patience": "null",
            "model.widths": "[8]",
        }
        assert [m.step for m in client.get_metric_history(run.info.run_id, "train_loss")] == [2, 3]
        assert [m.step for m in client.get_metric_history(run.info.run_id, "lr")] == [1, 2, 3]
        for key, value in record["metrics"].items():
            name = key if key.startswith("test_") else f"final/{key}"
            assert run.data.metrics[name] == pytest.approx(value)
    _, none = found(tmp_path / "results/logs/mlflow/mlflow.db", filter_string="params.dropout = 'none'")
    assert len(none) == 2


def row(epoch: int) -> dict[str, float]:
    return {"epoch": epoch, "val_loss": 1 / epoch, "lr": float("nan")}


def test_a_run_that_begins_again_begins_its_log_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("a" * 12, "none", 0, {"dropout.rates": {"hidden.*": 0.5}})
    # The second is for the same store, of somebody whose records are in another folder.
    for folder in (database, database.parents[2] / "else/logs/mlflow"):
        for epochs in (1, 2):
            logger = MLflow(folder, "again")
            logger.begin(run)
            for epoch in range(1, epochs + 1):
                logger.epoch(run.run_id, row(epoch))
            logger.close()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database / 'mlflow.db'}")
    client, runs = found(database / "mlflow.db", "again")
    assert [r.info.status for r in runs] == ["KILLED"] * 2
    for r in runs:
        assert [(m.step, m.value) for m in client.get_metric_history(r.info.run_id, "val_loss")] == [(1, 1.0), (2, 0.5)]
        assert r.data.params == {"dropout.rates": "{hidden.*: 0.5}"}


def test_epochs_are_seen_before_the_run_ends_and_more_than_one_call_takes(database: Path) -> None:
    logger = MLflow(database, "long")
    logger.begin(Run("b" * 12, "none", 0, {f"key{i}": i for i in range(150)}))
    for epoch in range(1, 701):
        logger.epoch("b" * 12, row(epoch))
    client, (run,) = found(database / "mlflow.db", "long")
    assert run.info.status == "RUNNING" and len(run.data.params) == 150 and run.data.metrics == {}
    logger._due = 0.0
    logger.epoch("b" * 12, row(701))
    assert len(client.get_metric_history(run.info.run_id, "val_loss")) == 701
    logger.close()
    assert len(client.get_metric_history(run.info.run_id, "lr")) == 701


def test_the_store_that_is_named_is_used(
    database: Path, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database / 'mlflow.db'}")
    assert sweep("mlflow").code == 0
    assert len(found(database / "mlflow.db")[1]) == 4
    assert not (tmp_path / "results/logs/mlflow/mlflow.db").exists()


def test_one_that_cannot_be_is_told_before_anything_trains(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://here")
    said = sweep("mlflow")
    assert said.code == 2 and "train.loggers=mlflow cannot start: " in said.err
    assert not (tmp_path / "results/runs").exists() or not list((tmp_path / "results/runs").iterdir())


def test_a_store_that_goes_away_is_told_in_one_line(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copy(database / "mlflow.db", tmp_path / "mlflow.db"))
    warnings: list[str] = []
    told = Loggers({"mlflow": MLflow(tmp_path, "gone")}, [Run("a" * 12, "none", 0, {})], warnings.append)
    told.listen(Progress(1, 2, {"a" * 12: row(1)}))
    copy.write_bytes(b"")
    told.finished(Stored(SimpleNamespace(run_id="a" * 12, metrics={}, chosen_epoch=1), tmp_path, ()))  # type: ignore[arg-type]
    told.close()
    assert len(warnings) == 1 and warnings[0].startswith("the logger mlflow failed and is no longer used (")
    assert "\n" not in warnings[0] and "".join(capsys.readouterr()) == ""


def test_a_study_is_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(ours, "MLflow", lambda folder, experiment: made.append((folder, experiment)))
    for study in ("three_arm", None):
        loggers._made("mlflow", tmp_path, study)
    assert made == [(tmp_path, "three_arm"), (tmp_path, "dropbench")]
