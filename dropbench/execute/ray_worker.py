"""The actor that trains on a node of a Ray cluster, one cohort at a time. The command asks it for its messages.

Everything is sent through Ray; the actor neither reads nor writes folders of the command's machine.
"""

from __future__ import annotations

import os
import pickle
import platform
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohort import Broken, Part, train
from dropbench.execute.cohorts import Cohort
from dropbench.execute.environment import made_with
from dropbench.execute.ray_cluster import library
from dropbench.execute.ray_code import Code, bring
from dropbench.hardware.blas import choose
from dropbench.planning import sources
from dropbench.process import blame
from dropbench.process.guarded import guarded
from dropbench.settings import Settings
from dropbench.store import checkpoints

if TYPE_CHECKING:
    from dropbench.engine.snapshot import Snapshot

_GATHER_S = 0.1
"""Messages within this time are sent together, because an epoch may take only a millisecond, as long as sending a message."""


@dataclass(frozen=True)
class Begun:
    """The message that a worker has begun to train a cohort: its node, and its process there."""

    node: str
    pid: int


@dataclass(frozen=True)
class Refused:
    """The message that a worker will not train, because its numbers would differ from those of the command's machine."""

    reason: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint: the folder in the results, the name and the content of its file."""

    folder: str
    name: str
    content: bytes


class Trainer:
    """The actor: `train` begins a cohort, `take` waits for its messages, and `stop` makes it save the cohort and leave it.

    It must be created with a `max_concurrency` of 2, so that `stop` can be called while `take` waits.

    Parameters
    ----------
    settings : Settings
        The plan's settings.
    device : str
        The device, by torch's name. Ray shows this process only its own card, which is therefore the first.
    made : Mapping
        What the numbers of the command's machine depend on, including its choice of products (`environment.made_with`).
    """

    def __init__(self, settings: Settings, device: str, made: Mapping[str, Any]) -> None:
        self._settings, self._device, self._made = settings, device, made
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        self._stop = threading.Event()

    def train(self, code: Code, parts: Sequence[Part], tables: Mapping[sources.Key, Sequence[Any]]) -> None:
        """Begins to train in a thread, and returns.

        Parameters
        ----------
        code : Code
            The user's own modules that are needed.
        parts : sequence of Part
            Runs that train together, with the states from which they continue.
        tables : Mapping
            The data, each as a reference in a list, so that Ray does not fetch what this process has already.
        """
        threading.Thread(target=self._train, args=(code, parts, tables), daemon=True).start()

    def take(self) -> list[bytes | None]:
        """Waits for messages and returns them, pickled; the last message of a cohort is None."""
        taken, until = [self._said.get()], time.monotonic() + _GATHER_S
        while taken[-1] is not None:
            try:
                taken.append(self._said.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        return taken

    def stop(self) -> None:
        """Makes the training thread save and send its cohort, and end."""
        self._stop.set()

    def _say(self, message: Any) -> None:
        self._said.put(pickle.dumps(message))  # pickled at once, because training may change its objects

    def _save(
        self, folder: str, name: str, taken: Snapshot, made: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        content = checkpoints.dumped(taken.tensors, (taken.epoch, taken.step), made, runs)
        self._say(Saved(folder, name, content))

    def _train(self, code: Code, parts: Sequence[Part], tables: Mapping[sources.Key, Sequence[Any]]) -> None:
        try:
            with guarded():
                if (wrong := disagreement(self._made, self._device, self._settings)) is not None:
                    self._say(Refused(wrong))
                    return
                self._say(Begun(platform.node(), os.getpid()))
                bring(code)
                _fetch(tables)
                said = train(parts, self._settings, self._device, self._say, self._stop.is_set, self._save)
                for outcome in said:
                    self._say(outcome)
        except KeyboardInterrupt:
            pass  # everything is saved
        except BaseException as error:
            whole = Cohort(tuple(s for part, _ in parts for s in part.specs), parts[0][0].outline)
            self._say(Broken(whole, blame.told(error), traceback.format_exc(), 0.0))
        finally:
            self._said.put(None)


def disagreement(made: Mapping[str, Any], device: str, settings: Settings) -> str | None:
    """Returns why this machine's numbers would differ from those of the command's machine, or None if they would not.

    made: the environment of the command's machine. This process first chooses the command's products, if it has that library.
    """
    choose(settings.execute.products)
    here = made_with(device, settings.execute.threads)
    flat = [{**tree, **tree["versions"], "versions": None} for tree in (made, here)]
    other = [
        f"{key} {flat[1].get(key)} instead of {value}" for key, value in flat[0].items() if flat[1].get(key) != value
    ]
    if not other:
        return None
    return (
        f"node {platform.node()} has {', '.join(other)}: the records would not show that; make it the same on all nodes"
    )


def _fetch(tables: Mapping[sources.Key, Sequence[Any]]) -> None:
    for key, (reference,) in tables.items():
        if not sources.has(key):
            sources.bring(key, library().get(reference))
