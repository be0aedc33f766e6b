"""Which commands are training in a results folder: those that hold claims, and whether they are still running."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropbench.process import alive
from dropbench.store import claims, files
from dropbench.store.checkpoints import WORK

WATCH_S = 11.0
"""Long enough to see a change of a counter that is raised every ten seconds."""


@dataclass(frozen=True)
class Trainer:
    """A command that trains. token: its name in claims. beat: its counter. runs: the ids of the runs that it has claimed."""

    token: str
    beat: str
    process: alive.Process | None
    runs: tuple[str, ...]

    @property
    def where(self) -> str:
        """A phrase that names the process and its machine."""
        return "a command whose process is not known" if self.process is None else where(self.process)


def where(process: alive.Process) -> str:
    """Returns `process 4711 on this machine`, or the same with `on node7`."""
    here = alive.this()
    near = here is not None and process.is_near(here)
    return f"process {process.pid} on {'this machine' if near else process.node}"


def trainers(root: Path) -> list[Trainer]:
    """Returns the commands that have registered as training in a results folder, including dead ones."""
    folder = root / WORK
    places = files.visible(folder)
    held: dict[str, list[str]] = {}
    for run in sorted(
        {place.name.removesuffix(".claim").partition("~")[0] for place in places if place.suffix == ".claim"}
    ):
        if whole := claims.chain(folder, run):
            held.setdefault(whole[-1][1].token, []).append(run)
    owners = [claims.read_owner(place) for place in places if place.suffix == ".owner"]
    return [
        Trainer(o.token, o.beat, o.process, tuple(held.get(o.token, ()))) for o in owners if o is not None and o.token
    ]


def at_work(
    root: Path,
    seconds: float = WATCH_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Trainer]:
    """Returns the commands that are running: a process of this machine exists; the counter of any other one changes.

    Parameters
    ----------
    root : Path
        The results folder.
    seconds : float
        How long at most to watch the counters of other machines. Without such commands it returns at once.
    clock, sleep : callable
        Time of this machine.
    """
    found, here = trainers(root), alive.this()
    near = [t for t in found if _is_near(t, here)]
    there = [t for t in near if here is not None and t.process is not None and not t.process.has_ended(here)]
    return there + _raised(root, [t for t in found if t not in near], clock() + seconds, clock, sleep)


def _is_near(trainer: Trainer, here: alive.Process | None) -> bool:
    return here is not None and trainer.process is not None and trainer.process.is_near(here)


def _raised(
    root: Path, far: Sequence[Trainer], until: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> list[Trainer]:
    """Returns the trainers whose counter changes before a time."""
    waiting, raised = {t.token: t for t in far}, []
    while waiting and clock() < until:
        sleep(0.5)
        for token, trainer in list(waiting.items()):
            owner = claims.read_owner(root / WORK / f"{token}.owner")
            if owner is None:
                del waiting[token]
            elif owner.beat != trainer.beat:
                raised.append(waiting.pop(token))
    return raised
