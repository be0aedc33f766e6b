"""A disk that is full: what is trained is kept in memory until there is room, or until the user stops it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from dropbench.errors import Interrupted, UsageError
from dropbench.execute.cohort import Note
from dropbench.execute.disk import Writer
from dropbench.store import Store


class Disk:
    """Takes what it is given, but for a time in which it is full."""

    def __init__(self) -> None:
        self.full: str | None = "No space left on device"
        self.taken: list[int] = []
        self.asked = 0

    def write(self, outcome: int) -> str:
        self.asked += 1
        if self.full is not None:
            raise UsageError("cannot write") from OSError(errno.ENOSPC, self.full)
        self.taken.append(outcome)
        return f"<{outcome}>"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def disk() -> Disk:
    return Disk()


def writer_for(disk: Disk, said: list[str], clock: Any = lambda: 0.0) -> Writer[int, str]:
    def listen(event: Any) -> None:
        assert isinstance(event, Note)
        said.append(event.text)

    return Writer(disk.write, listen, clock)


def test_what_cannot_be_written_waits_in_its_order(disk: Disk, said: list[str]) -> None:
    now = [0.0]
    writer = writer_for(disk, said, lambda: now[0])
    for outcome in (1, 2, 3):
        writer.add(outcome)
        assert list(writer.written()) == []
    assert len(writer) == 3 and disk.asked == 1  # not with each run: a full disk may be slow
    assert said == [
        "results cannot be written now: No space left on device. Finished runs are kept in memory, and writing them is tried "
        "again every 10 s: make room, or stop with Ctrl-C"
    ]
    now[0] = 11.0
    assert list(writer.written()) == [] and disk.asked == 2 and len(said) == 1
    disk.full = None
    now[0] = 22.0
    assert list(writer.written()) == ["<1>", "<2>", "<3>"] and disk.taken == [1, 2, 3]
    assert said[1:] == ["the runs that were kept in memory are stored now"] and writer.lost() is None
    writer.add(4)
    assert list(writer.written()) == ["<4>"] and len(said) == 2


def test_at_the_end_it_waits_for_room(disk: Disk, said: list[str]) -> None:
    writer = writer_for(disk, said)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            disk.full = None

    writer.add(1)
    assert list(writer.rest(wait)) == ["<1>"] and waited == [10.0] * 3


def test_what_is_lost_is_told(disk: Disk, said: list[str]) -> None:
    writer = writer_for(disk, said)
    writer.add(1)
    assert list(writer.written()) == []
    assert writer.lost() == (
        "Stopped: 1 run had been trained and could not be stored (No space left on device); "
        "run the same command again to continue"
    )


def test_what_is_no_matter_of_the_disk_is_raised(said: list[str]) -> None:
    def write(outcome: int) -> str:
        raise UsageError("a mistake")

    writer = Writer(write, lambda event: None)
    writer.add(1)
    with pytest.raises(UsageError, match="a mistake"):
        list(writer.written())


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_go_on_while_the_disk_is_full(carry: Any, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """The first two results find no room; nothing is trained twice, and all are stored in the end."""
    write, tries = Store.write, []

    def writing(store: Store, record: Any, *rest: Any, **more: Any) -> Path:
        tries.append(record.run_id)
        if len(tries) <= 2:
            raise UsageError("cannot write") from OSError(errno.EDQUOT, "Disk quota exceeded")
        return write(store, record, *rest, **more)

    monkeypatch.setattr(Store, "write", writing)
    monkeypatch.setattr("dropbench.execute.disk._AGAIN_S", 0.01)
    carried = carry("seed=range(0,4)", workers=workers, cohort=1)
    assert carried.statuses() == {"completed": 4} and len(carried.stored) == 4
    assert carried.notes[0].startswith("results cannot be written now: Disk quota exceeded.")
    assert carried.notes[-1] == "the runs that were kept in memory are stored now"
    assert not (carried.store.root / "work").exists()


def test_who_stops_a_full_disk_is_told_what_is_lost(carry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Path:
        raise UsageError("cannot write") from OSError(errno.ENOSPC, "No space left on device")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write", full)
    monkeypatch.setattr("dropbench.execute.disk.Writer.rest", interrupt)
    with pytest.raises(Interrupted, match="2 runs had been trained and could not be stored") as stopped:
        carry("seed=0,1", cohort=1)
    assert stopped.value.code == 1
