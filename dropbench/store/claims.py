"""Which runs are being trained, and by which command, so that several commands on one results folder share the work.

    results/work/<owner>.owner            a command that trains: a counter that it raises every ten seconds, and its process
    results/work/<run_id>.claim           a run that it trains: a hard link to the owner's file
    results/work/<run_id>~<owner>.claim   the next owner, which took the run over from that one

A claim is made by creating a file exclusively, so only one of several commands succeeds. A run's claims form a chain, and the
run belongs to the last owner in it, who has no successor. Another command succeeds an owner once that is known to be dead, or
once its counter has not changed for a minute by the successor's clock; clocks of two machines are never compared. A claim's
file is never replaced, and a chain is removed beginning with its first file, so a command that succeeded an owner of a removed
chain notices it and gives up.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dropbench.process import alive
from dropbench.store.checkpoints import WORK

STALE_S = 60.0
_BEATS = 6
"""How many times a counter is raised within the time after which it counts as stale."""
_LOOKS = 4
"""How many looks it takes at least: one look after a long sleep of our own must not find that all others are dead."""
_ABANDONED_S = 24 * 3600.0
_TOKEN = re.compile(r"[0-9a-f]{16}")
_MOST_BYTES = 4096


def _now() -> float:
    """Returns seconds of a clock that runs on while the machine sleeps, so that this process notices that it slept."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Owner:
    """The content of a claim. token: the owner (empty if unreadable). beat: its counter at that time. process: its process."""

    token: str = ""
    beat: str = ""
    process: alive.Process | None = None


@dataclass
class _Watched:
    beat: str
    looked: float
    still: float = 0.0


class Claims:
    """The claims of one command. It is a context manager, whose exit removes all of them.

    Parameters
    ----------
    root : Path
        The results folder.
    stale_after : float
        Another owner is stale once its counter was seen unchanged for this many seconds.
    clock : callable
        Seconds of this machine.
    beats : bool
        Whether a thread raises the counter; tests call `beat` themselves.
    """

    def __init__(
        self, root: Path, stale_after: float = STALE_S, clock: Callable[[], float] = _now, beats: bool = True
    ) -> None:
        self._folder = Path(root) / WORK
        self._stale_after, self._clock = stale_after, clock
        self._process = alive.this()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="claims", daemon=True) if beats else None
        self._held: set[str] = set()
        self._watched: dict[str, _Watched] = {}
        self._token = ""
        """Empty until the first claim."""
        self._count = 0
        self._beaten = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def holds(self, run_id: str) -> bool:
        """Returns whether this command owns a run: not if this process stood still for so long that another took it over."""
        return run_id in self._held

    def take(self, run_ids: Iterable[str]) -> list[str]:
        """Claims runs, including those of dead owners, and returns the ones that this command now owns."""
        with self._lock:
            self._stay()
            return [run for run in run_ids if run in self._held or self._take(run)]

    def release(self, run_ids: Iterable[str]) -> None:
        """Gives up runs, whether they were stored or not."""
        with self._lock:
            self._stay()
            for run in [run for run in run_ids if run in self._held]:
                self._give_up(run)

    def beat(self) -> None:
        """Raises the counter, and reads the counters of others. A thread calls it every few seconds."""
        with self._lock:
            if not self._token or self._renewed():
                return
            with suppress(OSError):  # the disk is full: perhaps it works next time
                self._count += 1
                handle = os.open(self._own, os.O_WRONLY)
                try:
                    os.write(handle, self._content())
                finally:
                    os.close(handle)
                self._beaten = self._clock()
            for _, owner in self._others():
                self._is_stale(owner)

    def close(self) -> None:
        """Gives up all claims, and removes what dead commands have left."""
        self._over.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        with self._lock:
            if not self._token:
                return
            self.release(list(self._held))
            self._clean()
            _remove(self._own)
            self._token = ""
        with suppress(OSError):  # not empty: other commands use it
            self._folder.rmdir()

    # An owner ---------------------------------------------------------------------------------------------------------

    @property
    def _own(self) -> Path:
        return self._folder / f"{self._token}.owner"

    def _content(self) -> bytes:
        """Returns the content of the owner's file. Its length is constant, because it overwrites the previous content."""
        who = self._process.as_dict() if self._process else None
        return json.dumps({"owner": self._token, "beat": f"{self._count:012d}", "process": who}).encode()

    def _stay(self) -> None:
        """Registers this command at its first claim. Later, checks whether this process missed its own beats."""
        if not self._token:
            self._begin()
            self._clean()
            if self._thread is not None:
                self._thread.start()
        else:
            self._renewed()

    def _begin(self) -> None:
        """Creates the owner's file, under a new name."""
        self._token, self._count = secrets.token_hex(8), 0
        with suppress(OSError):  # the disk is full: the runs are trained without a claim
            for _ in range(8):
                self._folder.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # the last other command has just removed the folder
                    self._own.write_bytes(self._content())
                    break
        self._beaten = self._clock()

    def _renewed(self) -> bool:
        """Returns whether others may have considered this owner dead. If so, it has registered under a new name.

        It then succeeds itself in its claims, as any other command might have. Runs that others took over are no longer its
        own.
        """
        if self._clock() - self._beaten < self._stale_after / 2 and self._own.exists():
            return False
        before, held = self._own, self._held
        self._held = set()
        former = self._token
        self._begin()
        for run in held:
            chain = self._chain(run)
            if not chain or chain[-1][1].token == former:
                self._follow(run, chain)
        _remove(before)
        return True

    def _keep_beating(self) -> None:
        while not self._over.wait(self._stale_after / _BEATS):
            self.beat()

    # A claim ----------------------------------------------------------------------------------------------------------

    def _take(self, run: str) -> bool:
        chain = self._chain(run)
        return (not chain or self._is_stale(chain[-1][1])) and self._follow(run, chain)

    def _follow(self, run: str, chain: list[tuple[Path, Owner]]) -> bool:
        """Claims a run that is free or whose last owner is dead. Returns False if another command was first."""
        place = self._place(run, chain[-1][1] if chain else None)
        try:
            if not _linked(self._own, place, self._content()):
                return False
        except OSError:  # the disk is full: training it without a claim is better than not at all
            self._held.add(run)
            return True
        if chain and [owner.token for _, owner in self._chain(run)][-1:] != [self._token]:  # the chain is gone by now
            _remove(place)
            return False
        self._held.add(run)
        return True

    def _give_up(self, run: str) -> None:
        self._held.discard(run)
        chain = self._chain(run)
        if chain and chain[-1][1].token == self._token:
            for place, _ in chain:  # beginning with the first
                _remove(place)

    def _place(self, run: str, after: Owner | None) -> Path:
        return _place(self._folder, run, after)

    def _chain(self, run: str) -> list[tuple[Path, Owner]]:
        return chain(self._folder, run)

    # Others -----------------------------------------------------------------------------------------------------------

    def _is_stale(self, owner: Owner) -> bool:
        """Returns whether another's claim is dead: its process has certainly ended, or its counter stood still long enough."""
        if owner.process is not None and self._process is not None and owner.process.has_ended(self._process):
            return True
        # Without hard links, a claim is a copy of an earlier state of its owner's file.
        latest = read_owner(self._folder / f"{owner.token}.owner") if owner.token else None
        beat, now = (latest or owner).beat, self._clock()
        watched = self._watched.get(owner.token)
        if watched is None or watched.beat != beat:
            self._watched[owner.token] = _Watched(beat, now)
            return False
        watched.still += min(now - watched.looked, self._stale_after / _LOOKS)
        watched.looked = now
        return watched.still >= self._stale_after

    def _clean(self) -> None:
        """Removes what dead commands left: claims, by taking them and giving them up; remains of chains; their owner files."""
        with suppress(OSError):
            for place in sorted(self._folder.glob("*.claim")):
                run, _, after = place.name.removesuffix(".claim").partition("~")
                if run in self._held:
                    continue
                chain = self._chain(run)
                if after:
                    # Outside of its chain it is unreachable for good: no owner starts a second chain for the same run.
                    if all(place != known for known, _ in chain):
                        _remove(place)
                elif chain and self._is_dead(chain[-1][1]) and self._follow(run, chain):
                    self._give_up(run)
            for place, owner in self._others():
                if self._is_dead(owner):
                    _remove(place)

    def _others(self) -> list[tuple[Path, Owner]]:
        """Returns the other registered commands, running or dead."""
        with suppress(OSError):
            places = [place for place in self._folder.glob("*.owner") if place != self._own]
            return [(place, owner) for place in places if (owner := read_owner(place)) is not None]
        return []

    def _is_dead(self, owner: Owner) -> bool:
        """As `_is_stale`, or if it wrote nothing for a day, for commands that did not run long enough to watch its counter."""
        if self._is_stale(owner):
            return True
        with suppress(OSError):
            return time.time() - (self._folder / f"{owner.token}.owner").stat().st_mtime > _ABANDONED_S
        return False


def chain(folder: Path, run: str) -> list[tuple[Path, Owner]]:
    """Returns the files of a run's claim with their owners, the last of whom owns it; empty if the run is free.

    folder: `work` in a results folder.
    """
    found: list[tuple[Path, Owner]] = []
    place = _place(folder, run, None)
    while (owner := read_owner(place)) is not None and all(place != known for known, _ in found):
        found.append((place, owner))
        place = _place(folder, run, owner)
    return found


def _place(folder: Path, run: str, after: Owner | None) -> Path:
    return folder / (f"{run}~{after.token}.claim" if after else f"{run}.claim")


def _linked(own: Path, place: Path, content: bytes) -> bool:
    """Creates a claim's file atomically. Returns False if there is one already."""
    try:
        os.link(own, place)
    except FileExistsError:
        return False
    except OSError:  # no hard links here: FAT, some network folders
        try:
            with place.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    return True


def read_owner(place: Path) -> Owner | None:
    """Reads the owner from a file; None if there is none. It never blocks, even if the path is a pipe or a device."""
    try:
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError:
        return Owner()
    try:
        tree = json.loads(os.read(handle, _MOST_BYTES))
        token, beat = str(tree["owner"]), str(tree["beat"])
        return Owner(token, beat, alive.read(tree["process"])) if _TOKEN.fullmatch(token) else Owner()
    except (OSError, ValueError, TypeError, KeyError):
        return Owner()
    finally:
        os.close(handle)


def _remove(place: Path) -> None:
    with suppress(OSError):
        place.unlink()
