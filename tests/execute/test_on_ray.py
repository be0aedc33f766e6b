"""Cohorts on a Ray cluster of two workers on this machine, which is started once for all of these tests."""

from __future__ import annotations

import json
import os
import platform
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kept_of_runs import everything, work
from terminal import dropbench
from trouble import trouble

from dropbench.errors import UsageError
from dropbench.execute import on_ray
from dropbench.execute.ray_cluster import connect
from dropbench.process.stop import Stop
from dropbench.process.workers import only_this_process
from dropbench.settings import Settings
from dropbench.store.checkpoints import Checkpoints

ray = pytest.importorskip("ray")
GRID = ["dropout.rate=0.0,0.3", "seed=0,1"]
ON_RAY = {"workers": 2, "threads": 1, "cohort": "auto", "name": "ray"}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    connect(Settings.model_validate({"device": "cpu", "results": Path(), "execute": ON_RAY}), 2)
    assert before == {number: signal.getsignal(number) for number in before}
    yield
    ray.shutdown()


class Doing(Stop):
    """Asks to stop, or does something else, once something has happened, which it looks for whenever it is asked."""

    def __init__(self, happened: Any, act: Any = lambda: True) -> None:
        super().__init__()
        self._happened, self._act, self.acted = happened, act, False

    def __call__(self) -> bool:
        if not self.acted and self._happened():
            self.acted = True
            if self._act():
                self.ask(signal.SIGTERM)
        return super().__call__()


def test_records_are_those_of_this_machine_bit_for_bit(carry: Any) -> None:
    words = [*GRID, "data=digits", "data.n_train=200", "model.widths=[16]", "train.epochs=3", "train.save=best"]
    local = carry(*words, to="local")
    on_ray = carry(*words, "execute=ray", workers=2, cohort=2, to="ray")
    assert on_ray.statuses() == {"completed": 4} and on_ray.notes == []
    assert sorted(on_ray.epochs) == sorted([1, 2, 3] * 4)
    assert everything(on_ray) == everything(local)
    for one in on_ray.stored:
        assert (
            one.folder.joinpath("weights.safetensors").read_bytes()
            == (local.store.folder(one.record.run_id) / "weights.safetensors").read_bytes()
        )


def test_a_worker_that_is_killed_is_tried_again(carry: Any, tmp_path: Path) -> None:
    """Its code is the user's, from a folder that Ray knows nothing of; it goes on from what it had sent."""
    pid = tmp_path / "pid"
    words = [*trouble("wait", mark=pid), "seed=0,1,2", "train.epochs=60", "execute=ray", "execute.checkpoint=1"]

    def kill() -> bool:
        os.kill(int(pid.read_text()), signal.SIGKILL)
        return False

    stop = Doing(lambda: pid.exists() and pid.read_text() and Checkpoints(tmp_path / "killed").latest(), kill)
    carried = carry(*words, cohort=3, to="killed", stop=stop)
    assert stop.acted and carried.statuses() == {"completed": 3}
    (retry,) = carried.retries
    assert (len(retry.run_ids), retry.how) == (3, "in two halves")
    assert retry.reason == f"the worker on node {platform.node()} was lost"
    assert everything(carried) == everything(carry(*words, cohort=3, to="whole"))
    assert not work(tmp_path / "killed")


def test_what_is_interrupted_goes_on_from_what_was_sent(carry: Any, tmp_path: Path) -> None:
    words = [*GRID, "train.epochs=400", "execute=ray", "execute.checkpoint=20"]
    stop = Doing(lambda: len(Checkpoints(tmp_path / "stopped").latest()) == 4)
    begun = carry(*words, to="stopped", stop=stop)
    assert stop.acted and begun.stored == []
    saved = Checkpoints(tmp_path / "stopped").latest()
    assert saved.keys() == {s.run_id for s in begun.plan.specs}
    told = {run: header.runs[run]["told"]["history"].splitlines()[0] for run, header in saved.items()}
    rest = carry(*words, workers=2, cohort=2, to="stopped")
    assert rest.statuses() == {"completed": 4} and not work(tmp_path / "stopped")
    for one in rest.stored:  # the first epoch took as long as it had taken then: it was not trained again
        first = json.loads(told[one.record.run_id])["seconds"]
        columns, row = (line.split(",") for line in (one.folder / "history.csv").read_text().splitlines()[:2])
        assert float(row[columns.index("seconds")]) == pytest.approx(first)
    assert everything(rest) == everything(carry(*words[:-2], to="whole"))


def test_the_command_line(mine: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["sweep", "data=wine", "model.widths=[4]", "train.epochs=2", *GRID, "execute=ray", "device=cpu", "--json"]
    said = dropbench(capsys, *words)
    assert said.code == 0, said.err
    assert json.loads(said.out)["trained"] == 4
    assert "done" in said.err and "ray" not in said.err.lower().replace("execute=ray", "")
    with only_this_process():
        said = dropbench(capsys, *words, "results=other")
    assert said.code == 2 and "define it in a module" in said.err


def test_nodes_with_other_versions_are_told_of(carry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made_with = on_ray.made_with

    def other(device: str, threads: int) -> dict[str, Any]:
        made = made_with(device, threads)
        return {**made, "versions": {**made["versions"], "torch": "1.0"}}

    monkeypatch.setattr(on_ray, "made_with", other)
    with pytest.raises(UsageError, match=r"node .* has torch .* instead of 1\.0: .*; make it the same on all nodes"):
        carry("seed=0", "execute=ray")


def test_a_worker_gives_its_place_to_one_that_waits_for_it(carry: Any) -> None:
    """Where the cluster has less room than was asked for, as after a node is lost."""
    carried = carry("seed=0,1", "execute=ray", "execute.cpus=2", workers=2, cohort=1)
    assert carried.statuses() == {"completed": 2}


def test_a_run_that_hangs_is_given_up(carry: Any, tmp_path: Path) -> None:
    carried = carry(*trouble("wait", mark=tmp_path / "pid"), "seed=0", "execute=ray", "execute.timeout=0.5")
    assert carried.statuses() == {"failed": 1}
    assert carried.stored[0].record.reason == "no epoch ended within 0.5 s (execute.timeout)"
