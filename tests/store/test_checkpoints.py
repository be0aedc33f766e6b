"""Files of what is in training: the farthest counts, and each stays until nobody needs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from dropbench.store import tensors
from dropbench.store.checkpoints import WORK, Checkpoints

NOBODY = frozenset[str]()


def saved(results: Path, name: str, epoch: int, step: int, *runs: str) -> Path:
    checkpoints = Checkpoints(results)
    held = {"a": torch.zeros(len(runs), 2)}
    checkpoints.write(name, held, (epoch, step), {"v": 1}, {run: {"config": {}} for run in runs})
    return checkpoints.path(name)


def names(results: Path) -> list[str]:
    folder = results / WORK
    return sorted(p.stem for p in folder.iterdir()) if folder.exists() else []


def test_the_farthest_of_each_run_counts(tmp_path: Path) -> None:
    saved(tmp_path, "first", 2, 4, "one", "two")
    saved(tmp_path, "second", 2, 10, "two", "three")
    latest = Checkpoints(tmp_path).latest()
    assert {run: header.path.stem for run, header in latest.items()} == {
        "one": "first",
        "two": "second",
        "three": "second",
    }
    assert (latest["two"].epoch, latest["two"].step, latest["two"].made) == (2, 10, {"v": 1})


def test_a_file_stays_until_its_runs_have_ended_or_come_farther(tmp_path: Path) -> None:
    saved(tmp_path, "first", 2, 4, "one", "two")
    saved(tmp_path, "second", 3, 1, "two")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.sweep(NOBODY.__contains__)
    assert names(tmp_path) == ["first", "second"]
    checkpoints.sweep({"one"}.__contains__)
    assert names(tmp_path) == ["second"]
    checkpoints.sweep({"two"}.__contains__)
    assert not (tmp_path / WORK).exists()


def test_rows_keep_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    saved(tmp_path, "first", 2, 4, "two", "one", "three")
    assert list(Checkpoints(tmp_path).latest()["one"].runs) == ["two", "one", "three"]


def test_of_two_that_have_come_equally_far_one_stays(tmp_path: Path) -> None:
    saved(tmp_path, "first", 2, 4, "one")
    saved(tmp_path, "second", 2, 4, "one")
    Checkpoints(tmp_path).sweep(NOBODY.__contains__)
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("damage", ["cut", "text", "nothing", "other"])
def test_what_is_damaged_or_of_another_version_is_left_alone(tmp_path: Path, damage: str) -> None:
    path = saved(tmp_path, "first", 2, 4, "one")
    whole = path.read_bytes()
    other = tensors.dumped({"a": torch.zeros(1)}, {**tensors.read_about(path), "form": 99})
    contents = {"cut": whole[:40], "text": b"hello", "nothing": b"", "other": other}
    path.write_bytes(contents[damage])
    assert Checkpoints(tmp_path).latest() == {}
    Checkpoints(tmp_path).sweep(lambda run: True)
    assert path.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    os.mkfifo(tmp_path / WORK / "pipe.safetensors")
    assert Checkpoints(tmp_path).latest() == {}


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.sweep(NOBODY.__contains__)
    assert checkpoints.latest() == {} and not (tmp_path / WORK).exists()
