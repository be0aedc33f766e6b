"""Who trains in a folder: of this machine by its process, of another one by a counter that is seen to be raised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dropbench.process import alive
from dropbench.store import training
from dropbench.store.claims import Claims


def of(root: Path, node: str | None = None) -> Claims:
    """A command's claims, of this process or as of another machine."""
    claims = Claims(root, beats=False)
    if node is not None:
        assert claims._process is not None
        claims._process = replace(claims._process, node=node)
    return claims


def test_a_command_of_this_machine_is_told_at_once_with_its_runs(tmp_path: Path) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError("there is nothing to wait for")

    assert training.at_work(tmp_path, sleep=sleep) == []
    with of(tmp_path) as claims:
        claims.take(["b", "a"])
        (found,) = training.at_work(tmp_path, sleep=sleep)
        assert found.runs == ("a", "b") and found.process == alive.this()
        assert found.where == f"process {alive.this().pid} on this machine"  # type: ignore[union-attr]
    assert training.trainers(tmp_path) == []


def test_a_dead_command_of_this_machine_is_not_at_work(tmp_path: Path) -> None:
    claims = of(tmp_path)
    assert claims._process is not None
    claims._process = replace(claims._process, start="1")  # another process had this number
    claims.take(["a"])
    assert len(training.trainers(tmp_path)) == 1 and training.at_work(tmp_path, sleep=lambda s: None) == []


def test_a_command_of_another_machine_is_at_work_once_its_counter_is_raised(tmp_path: Path) -> None:
    now = [0.0]
    far, silent = of(tmp_path, "node7"), of(tmp_path, "node8")
    far.take(["a"])
    silent.take(["b"])

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] == 9.5:
            far.beat()

    (found,) = training.at_work(tmp_path, clock=lambda: now[0], sleep=sleep)
    assert found.runs == ("a",) and found.where == f"process {found.process.pid} on node7"  # type: ignore[union-attr]
    assert 10 <= now[0] <= training.WATCH_S + 0.5


def test_a_run_is_of_the_last_owner_of_its_chain(tmp_path: Path) -> None:
    first = of(tmp_path)
    assert first._process is not None
    first._process = replace(first._process, start="1")
    first.take(["a", "b"])
    second = of(tmp_path)
    second.take(["a"])
    runs = {t.process: t.runs for t in training.trainers(tmp_path)}
    assert runs[alive.this()] == ("a",)


def test_files_that_say_nothing_are_nobody(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "x.owner").write_text("{")
    (tmp_path / "work" / "y.claim").write_text("[]")
    assert training.trainers(tmp_path) == []
