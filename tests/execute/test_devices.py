"""Which devices are there, and that workers have one each: cards are pretended, and a CPU may have any number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from terminal import dropbench

from dropbench.errors import UsageError
from dropbench.execute import pool
from dropbench.execute.cohort import carry_out
from dropbench.execute.cohorts import cohorts
from dropbench.execute.local import execute
from dropbench.hardware import device as devices
from dropbench.hardware.device import freest, resolve_device, resolve_workers
from dropbench.settings import ExecuteSpec, Settings

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_device_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == "cuda:0,cuda:1" and resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(
        UsageError, match="device=cuda:2 is not available on this machine; valid: auto, cpu, mps, cuda, cuda:0, cuda:1"
    ):
        resolve_device("cuda:2")

    def settings(workers: Any, threads: int) -> Settings:
        return Settings(
            device="cpu", results=Path(), execute=ExecuteSpec(workers=workers, threads=threads, cohort="auto")
        )

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert resolve_workers(settings("auto", 1), "cpu") == 6
    assert resolve_workers(settings("auto", 4), "cpu") == 1
    assert resolve_workers(settings("auto", 9), "cpu") == 1
    assert resolve_workers(settings("auto", 1), "cuda") == 1
    assert resolve_workers(settings("auto", 1), "cuda:0,cuda:2") == 2
    assert resolve_workers(settings(3, 1), "cuda") == 3


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("cuda:0,cuda:0", "several devices must be different GPUs"),
        ("cuda,cuda:1", "several devices must be different GPUs"),
        ("cpu,cuda:0", "several devices must be different GPUs of one machine, .* GPUs here: cuda:0, cuda:1"),
        ("cuda:0,cuda:7", "device=cuda:7 is not available on this machine"),
    ],
)
def test_several_devices_are_different_cards(two_cards: None, typed: str, said: str) -> None:
    assert resolve_device("cuda:1,cuda:0") == "cuda:1,cuda:0"
    with pytest.raises(UsageError, match=said):
        resolve_device(typed)


@pytest.mark.parametrize("typed", ["cuda:0,cuda:1", "cuda:0, cuda:1", ["cuda:0", "cuda:1"]])
def test_both_ways_to_type_several_devices_are_one(typed: Any) -> None:
    execute = {"workers": 1, "threads": 1, "cohort": "auto"}
    settings = Settings.model_validate({"device": typed, "results": Path(), "execute": execute})
    assert settings.device == "cuda:0,cuda:1"


@pytest.mark.parametrize("typed", ['device="cuda:0,cuda:1"', "device=[cuda:0,cuda:1]"])
def test_the_command_line_takes_both(mine: Path, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    said = dropbench(capsys, "sweep", typed, "--dry-run")
    assert (said.code, said.err.partition(" on this")[0]) == (2, "Error: device=cuda:0 is not available")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_bare_comma_is_told_how_it_is_written(mine: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    said = dropbench(capsys, command, "device=cuda:0,cuda:1")
    assert said.code == 2 and said.err.endswith("write 'device=[cuda:0,cuda:1]'\n")


@pytest.mark.parametrize(
    ("taken", "next_one"),
    [([], "a:0"), (["a:0"], "a:1"), (["a:0", "a:1"], "a:0"), (["a:0", "a:0", "a:1"], "a:1"), (["a:1"], "a:0")],
)
def test_a_worker_gets_the_device_that_the_fewest_have(taken: list[str], next_one: str) -> None:
    assert freest("a:0,a:1", taken) == next_one


def test_each_worker_of_a_pool_trains_on_a_device_of_its_own(
    carry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch takes any number behind `cpu`. The first worker dies with its first cohort: who comes after it has its device."""

    def seen(cohort: Any, settings: Any, device: str, *rest: Any) -> Any:
        with (tmp_path / "seen").open("a") as file:
            file.write(f"{os.getpid()} {device} {cohort.specs[0].seed}\n")
        if device == "cpu:0" and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(3)
        return carry_out(cohort, settings, device, *rest)

    monkeypatch.setattr(pool, "carry_out", seen)
    planned = carry("seed=range(0,6)", take=0)
    groups = cohorts(planned.plan.specs, planned.plan.outlines, planned.plan.settings, "cpu:0,cpu:1", 2)
    (whole,) = {len(group) for group in groups}
    assert (len(groups), whole) == (2, 3)
    stored = list(execute(groups, planned.plan.settings, "cpu:0,cpu:1", 2, planned.store))
    assert {one.record.status for one in stored} == {"completed"} and len(stored) == 6
    assert {one.record.device for one in stored} == {"cpu"}  # which of them it was makes no other run
    lines = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    of = {pid: {device for p, device, _ in lines if p == pid} for pid, _, _ in lines}
    assert len(of) == 3 and sorted(len(d) for d in of.values()) == [1, 1, 1]
    assert sorted(d for own in of.values() for d in own) == ["cpu:0", "cpu:0", "cpu:1"]


def test_memory_is_that_of_a_card_and_not_shared_by_workers_on_others() -> None:
    assert devices.sharing("cuda:0,cuda:1", 2) == 1 and devices.sharing("cuda:0,cuda:1", 5) == 3
    assert devices.sharing("cpu", 2) == 2
