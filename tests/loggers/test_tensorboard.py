"""What TensorBoard's own reader finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sweeping import Sweep
from terminal import dropbench

from dropbench.loggers.base import Run

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from torch.utils.tensorboard import SummaryWriter

from dropbench.loggers.tensorboard import TensorBoard

RUN = Run("0123456789ab", "my/net standard 0.5", 3, {"seed": 3})


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def settings(folder: Path) -> dict[str, Any]:
    read = EventAccumulator(str(folder)).Reload()
    content = read.PluginTagToContent(metadata.PLUGIN_NAME)
    assert sorted(content) == [metadata.SESSION_END_INFO_TAG, metadata.SESSION_START_INFO_TAG]
    values = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG]).hparams
    return {key: getattr(value, value.WhichOneof("kind")) for key, value in values.items()}


def test_a_sweep_as_tensorboard_reads_it(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("tensorboard").code == 0
    folders = sorted((tmp_path / "results/logs/tensorboard").iterdir())
    assert [f.name.rpartition("-")[0] for f in folders] == [
        *("none-seed0", "none-seed1", "standard_0.5-seed0", "standard_0.5-seed1")
    ]
    for folder in folders:
        run = tmp_path / "results/runs" / folder.name.rpartition("-")[2]
        record = json.loads((run / "record.json").read_text())
        train, val, whole = scalars(folder / "train"), scalars(folder / "val"), scalars(folder)
        # The same names on both sides are what puts them into one chart. Validation is in the second epoch and the last.
        assert set(train) == set(val) == {"loss", "accuracy"}
        assert [step for step, _ in val["loss"]] == [2, 3]
        for side, found in (("train", train), ("val", val)):
            for name in found:
                assert found[name][-1] == (3, pytest.approx(record["metrics"][f"{side}_{name}"]))
        assert whole["gap/loss"][-1][1] == pytest.approx(train["loss"][-1][1] - val["loss"][-1][1], abs=1e-6)
        assert [value for _, value in whole["lr"]] == pytest.approx([0.001] * 3)
        final = {tag.partition("/")[2]: values for tag, values in whole.items() if tag.startswith("final/")}
        assert final == {key: [(3, pytest.approx(value))] for key, value in record["metrics"].items()}
        rate = record["config"]["dropout"]["rate"]
        assert [value for _, value in whole.get("rate/hidden.0", [])] == [rate] * 3 * (rate > 0)
        told = settings(folder)
        assert {key: told[key] for key in ("model", "dropout", "dropout.rate", "seed", "model.widths")} == {
            "model": "mlp",
            "dropout": record["config"]["dropout"]["name"],
            "dropout.rate": rate,
            "seed": record["seed"],
            "model.widths": "[8]",
        }
        assert "train.patience" not in told  # which is null


def test_each_epoch_can_be_read_at_once(tmp_path: Path) -> None:
    logger = TensorBoard(tmp_path)
    logger.begin(RUN)
    folder = tmp_path / "my_net_standard_0.5-seed3-0123456789ab"
    for epoch in (1, 2):
        logger.epoch(RUN.run_id, {"epoch": epoch, "train_loss": 1 / epoch, "lr": 0.5})
        assert scalars(folder / "train") == {"loss": [(e, 1 / e) for e in range(1, epoch + 1)]}
    assert len(list(folder.rglob("*tfevents*"))) == 2


def test_the_files_are_as_torch_writes_them(tmp_path: Path) -> None:
    logger = TensorBoard(tmp_path / "ours")
    logger.begin(RUN)
    theirs = SummaryWriter(str(tmp_path / "theirs"))
    for epoch, lr in ((1, 0.1), (2, float("nan")), (3, 1e-30)):
        logger.epoch(RUN.run_id, {"epoch": epoch, "lr": lr})
        theirs.add_scalar("lr", lr, epoch)
    theirs.close()
    (ours,) = (tmp_path / "ours").iterdir()
    assert str(scalars(ours)) == str(scalars(tmp_path / "theirs"))


def test_a_run_that_begins_again_begins_its_log_again(tmp_path: Path) -> None:
    for arm in ("one", "one", "other"):  # as another plan calls it
        logger = TensorBoard(tmp_path)
        for lr in (0.1, 0.2):  # and within a command, where a cohort broke off
            logger.begin(Run("a" * 12, arm, 0, {}))
            logger.epoch("a" * 12, {"epoch": 1, "lr": lr})
        logger.begin(Run("b" * 12, arm, 0, {}))
        logger.close()
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"other-seed0-{'a' * 12}"
    assert scalars(folder) == {"lr": [(1, pytest.approx(0.2))]}


def test_one_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = (
        "model.widths=[8]",
        "data.n_train=80",
        "train.epochs=1",
        "train.loggers=tensorboard",
        f"results={tmp_path}",
    )
    for _ in range(2):  # the second time it is finished already
        assert dropbench(capsys, "train", *words).code == 0
    (folder,) = (tmp_path / "logs/tensorboard").iterdir()
    assert len(scalars(folder)["final/test_loss"]) == 1


def test_what_another_command_wrote_of_a_run_is_replaced(tmp_path: Path) -> None:
    """It began after this one, was killed, and its run is taken over."""
    here, other = TensorBoard(tmp_path), TensorBoard(tmp_path)
    for logger, epochs in ((other, (1, 2, 3)), (here, (1, 2, 3, 4))):
        logger.begin(RUN)
        for epoch in epochs:
            logger.epoch(RUN.run_id, {"epoch": epoch, "lr": 0.1})
    (folder,) = tmp_path.iterdir()
    assert [step for step, _ in scalars(folder)["lr"]] == [1, 2, 3, 4]
