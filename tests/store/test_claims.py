"""Claims of runs by several commands at once: every order of their steps, deaths in the middle of them, and clocks."""

from __future__ import annotations

import os
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropbench.store import claims as module
from dropbench.store.claims import Claims

RUNS = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Elsewhere:
    """Commands of other machines than each other's: nothing is known of them but their counters."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock, self.live = root, Clock(), list[Claims]()

    def command(self) -> Claims:
        one = Claims(self.root, clock=self.clock, beats=False)
        one._process = None
        self.live.append(one)
        return one

    def pass_time(self, seconds: float, *looking: Claims) -> None:
        """Ten seconds at a time, with the counters of the living raised and what these want asked for."""
        for _ in range(round(seconds / 10)):
            self.clock.now += 10
            for one in self.live:
                one.beat()
            for one in looking:
                one.take(RUNS)

    def left(self) -> list[str]:
        work = self.root / "work"
        return sorted(p.name for p in work.iterdir()) if work.exists() else []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


def test_a_run_is_one_commands(elsewhere: Elsewhere) -> None:
    one, other = elsewhere.command(), elsewhere.command()
    assert one.take(RUNS[:2]) == RUNS[:2] and one.take(RUNS[:2]) == RUNS[:2]
    assert other.take(RUNS) == RUNS[2:] and not other.holds(RUNS[0])
    elsewhere.pass_time(600, one, other)
    assert one.take(RUNS) == RUNS[:2] and other.take(RUNS) == RUNS[2:]
    one.release(RUNS[:1])
    assert not one.holds(RUNS[0]) and other.take(RUNS[:1]) == RUNS[:1]
    for each in (one, other):
        each.close()
    assert not (elsewhere.root / "work").exists()


def test_the_claims_of_a_dead_command_are_taken_over_once_after_a_minute(elsewhere: Elsewhere) -> None:
    dead, one, other = (elsewhere.command() for _ in range(3))
    dead.take(RUNS)
    elsewhere.live.remove(dead)
    assert one.take(RUNS) == other.take(RUNS) == []
    elsewhere.pass_time(50, one, other)
    assert not any(c.holds(run) for c in (one, other) for run in RUNS)
    elsewhere.pass_time(20, one, other)
    assert [run for run in RUNS if one.holds(run)] == RUNS
    assert not any(other.holds(run) for run in RUNS)
    for each in (one, other):
        each.close()
    assert elsewhere.left() == []


def test_a_counter_that_rises_once_begins_the_minute_anew(elsewhere: Elsewhere) -> None:
    slow, one = elsewhere.command(), elsewhere.command()
    slow.take(RUNS)
    elsewhere.live.remove(slow)
    for _ in range(4):
        slow._beaten = elsewhere.clock.now  # its own clock stands still
        slow.beat()
        elsewhere.pass_time(50, one)
        assert not one.holds(RUNS[0])


def test_one_look_after_a_long_sleep_finds_nobody_dead(elsewhere: Elsewhere) -> None:
    """Both were asleep, as containers that are paused together are: who wakes first must not take all."""
    one, other = elsewhere.command(), elsewhere.command()
    one.take(RUNS)
    assert other.take(RUNS) == []
    elsewhere.clock.now += 3600
    assert other.take(RUNS) == []
    elsewhere.pass_time(120, other)
    assert one.take(RUNS) == RUNS


def test_who_slept_too_long_has_lost_what_others_took(elsewhere: Elsewhere) -> None:
    sleeper, other = elsewhere.command(), elsewhere.command()
    sleeper.take(RUNS)
    elsewhere.live.remove(sleeper)
    elsewhere.pass_time(40, other)
    elsewhere.live.append(sleeper)
    elsewhere.pass_time(10)  # awake in time: it is another owner now, of the same runs
    assert all(sleeper.holds(run) for run in RUNS)
    elsewhere.live.remove(sleeper)
    for _ in range(8):
        elsewhere.clock.now += 10
        other.beat()
        other.take(RUNS[:1])
    assert other.holds(RUNS[0])
    sleeper.beat()
    assert [sleeper.holds(run) for run in RUNS] == [False, True, True]
    sleeper.release(RUNS)
    assert other.holds(RUNS[0]) and other.take(RUNS) == RUNS
    sleeper.close()
    other.close()
    assert elsewhere.left() == []


def test_a_run_that_is_being_given_up_is_not_taken_half_way(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken over once, so its claim is two files; between their removals others want it."""
    dead, one, other, third = (elsewhere.command() for _ in range(4))
    dead.take(RUNS[:1])
    elsewhere.live.remove(dead)
    elsewhere.pass_time(80, one)
    for each in (other, third):  # they know too that the first owner is dead
        each._is_stale(module.Owner(dead._token))
        each._watched[dead._token].still = 100.0
    remove = module._remove

    def removing(place: Path) -> None:
        remove(place)
        monkeypatch.setattr(module, "_remove", remove)
        other.take(RUNS[:1])

    monkeypatch.setattr(module, "_remove", removing)
    one.release(RUNS[:1])
    third.take(RUNS[:1])
    assert sum(each.holds(RUNS[0]) for each in (one, other, third)) == 1


def test_a_folder_that_is_removed_under_it_is_made_again(elsewhere: Elsewhere) -> None:
    one, other = elsewhere.command(), elsewhere.command()
    one.take(RUNS)
    for file in (elsewhere.root / "work").iterdir():
        file.unlink()
    (elsewhere.root / "work").rmdir()
    one.beat()
    assert other.take(RUNS) == [] and all(one.holds(run) for run in RUNS)


@pytest.mark.parametrize("how", ["no links", "full"])
def test_without_links_claims_are_copies_and_on_a_full_disk_nothing_waits(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    dead, one = elsewhere.command(), elsewhere.command()
    if how == "full":

        def full(*_: Any) -> bool:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "_linked", full)
        assert dead.take(RUNS) == one.take(RUNS) == RUNS
        return
    assert dead.take(RUNS) == RUNS and one.take(RUNS) == []
    elsewhere.pass_time(120, one)
    assert one.take(RUNS) == []
    elsewhere.live.remove(dead)
    elsewhere.pass_time(80, one)
    assert one.take(RUNS) == RUNS
    one.close()
    assert elsewhere.left() == []


@pytest.mark.parametrize("held", ["", "{", "[]", '{"owner": "../../x", "beat": 1, "process": 3}', '{"owner": 3}'])
def test_what_cannot_be_read_is_a_claim_of_nobody_known(elsewhere: Elsewhere, held: str) -> None:
    work = elsewhere.root / "work"
    work.mkdir()
    (work / f"{RUNS[0]}.claim").write_text(held)
    one = elsewhere.command()
    assert one.take(RUNS) == RUNS[1:]
    elsewhere.pass_time(80, one)
    assert one.take(RUNS) == RUNS
    one.close()
    assert elsewhere.left() == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_pipe_in_the_place_of_a_claim_hangs_nobody(elsewhere: Elsewhere) -> None:
    (elsewhere.root / "work").mkdir()
    os.mkfifo(elsewhere.root / "work" / f"{RUNS[0]}.claim")
    assert elsewhere.command().take(RUNS) == RUNS[1:]


# Every order of steps ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a command in the middle of a step, as SIGKILL does."""


class Turns:
    """Runs operations of several commands, one step on the disk at a time, in an order that a random generator has."""

    def __init__(self, order: random.Random) -> None:
        self._order = order
        self._gates: dict[int, tuple[threading.Event, threading.Event]] = {}
        self._doomed: set[int] = set()

    def step(self) -> None:
        """Called before each step on the disk: waits for its turn."""
        gates = self._gates.get(threading.get_ident())
        if gates is None:
            return
        mine, back = gates
        back.set()
        mine.wait()
        mine.clear()
        if threading.get_ident() in self._doomed:
            raise Killed

    def run(self, operations: dict[Claims, Any], dies: Claims | None, check: Any) -> None:
        going: dict[Claims, tuple[threading.Thread, threading.Event, threading.Event]] = {}
        for command, operation in operations.items():
            mine, back = threading.Event(), threading.Event()

            def act(operation: Any = operation, mine: Any = mine, back: Any = back) -> None:
                self._gates[threading.get_ident()] = (mine, back)
                try:
                    self.step()
                    operation()
                except Killed:
                    pass
                finally:
                    del self._gates[threading.get_ident()]
                    back.set()

            thread = threading.Thread(target=act, daemon=True)
            going[command] = (thread, mine, back)
            thread.start()
            back.wait()
            back.clear()
        lives = self._order.randrange(12)
        while going:
            command = self._order.choice(list(going))
            thread, mine, back = going[command]
            if command is dies:
                lives -= 1
                if lives < 0:
                    self._doomed.add(thread.ident or 0)
            mine.set()
            back.wait()
            back.clear()
            if thread.ident not in self._gates:
                thread.join()
                self._doomed.discard(thread.ident or 0)
                del going[command]
            check()


@contextmanager
def one_step_at_a_time(turns: Turns) -> Iterator[None]:
    def stepping(step: Any) -> Any:
        def waiting(*given: Any) -> Any:
            turns.step()
            return step(*given)

        return waiting

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_linked", "read_owner", "_remove"):
            patch.setattr(module, name, stepping(getattr(module, name)))
        yield


def at_random(order: random.Random, some: list[Claims]) -> dict[Claims, Any]:
    """What each of these does: takes or gives up some runs."""
    operations = {}
    for command in some:
        act = command.take if order.random() < 0.7 else command.release
        operations[command] = partial(act, order.sample(RUNS, order.randint(1, 3)))
    return operations


def owners(world: Elsewhere) -> list[int]:
    return [sum(c.holds(run) for c in world.live) for run in RUNS]


@settings(max_examples=80)
@given(st.integers(0, 2**32))
def test_never_two_owners_whatever_the_order_of_steps(seed: int) -> None:
    """Four commands take and give up; some die in the middle. No run ever has two owners that are alive."""
    order = random.Random(seed)
    turns = Turns(order)
    with tempfile.TemporaryDirectory() as folder, one_step_at_a_time(turns):
        world = Elsewhere(Path(folder))
        for _ in range(4):
            world.command()

        def check() -> None:
            assert max(owners(world)) <= 1

        for _ in range(12):
            some = order.sample(world.live, order.randint(1, len(world.live)))
            dies = order.choice(some) if len(world.live) > 1 and order.random() < 0.3 else None
            if dies is not None:
                world.live.remove(dies)
            turns.run(at_random(order, some), dies, check)
            world.pass_time(10 * order.randint(0, 7))
            check()
        world.pass_time(200, *world.live)
        assert owners(world) == [1, 1, 1]  # nothing is lost: what the dead had has one owner in the end
        for command in world.live:
            command.close()
        assert world.left() == []


def test_a_thread_raises_the_counter(tmp_path: Path) -> None:
    raised = threading.Event()

    class Watched(Claims):
        def beat(self) -> None:
            super().beat()
            raised.set()

    with Watched(tmp_path, stale_after=0.06) as one:
        one.take(RUNS)
        assert raised.wait(30)
        (own,) = (tmp_path / "work").glob("*.owner")
    assert not own.exists()
