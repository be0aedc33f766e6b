"""What trains on a node of a Ray cluster: an actor, which has one cohort at a time and is asked for what it has to say.

All goes through Ray: nothing is read from a folder of the command's machine, and nothing written to one.
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
"""What is said within this time is sent together: epochs may take a millisecond, and a message does."""


@dataclass(frozen=True)
class Begun:
    """A worker that has a cohort and trains: on which node, and as which process there."""

    node: str
    pid: int


@dataclass(frozen=True)
class Refused:
    """A worker whose numbers would not be those of the command's machine, and why."""

    reason: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint: for which folder of the results, its name, and what its file is to hold."""

    folder: str
    name: str
    content: bytes


class Trainer:
    """The actor: `train` begins with a cohort, `take` waits for what there is to say of it, `stop` has it saved and left.

    To be made with a `max_concurrency` of 2, so that it can be told to stop while it is asked.

    Parameters
    ----------
    settings : Settings
        Those of the plan.
    device : str
        As torch names it. Of cards Ray shows this process its own alone, so it is the first.
    made : Mapping
        What the numbers of the command's machine depend on, its choice of products among it (`environment.made_with`).
    """

    def __init__(self, settings: Settings, device: str, made: Mapping[str, Any]) -> None:
        self._settings, self._device, self._made = settings, device, made
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        self._stop = threading.Event()

    def train(self, code: Code, parts: Sequence[Part], tables: Mapping[sources.Key, Sequence[Any]]) -> None:
        """Begins to train, and returns.

        Parameters
        ----------
        code : Code
            The user's own modules that are needed.
        parts : sequence of Part
            Runs that train together, with where they go on.
        tables : Mapping
            The data, each as a reference in a list, so that Ray does not fetch what this process has already.
        """
        threading.Thread(target=self._train, args=(code, parts, tables), daemon=True).start()

    def take(self) -> list[bytes | None]:
        """Waits for messages and returns them, pickled; None is the last of a cohort."""
        taken, until = [self._said.get()], time.monotonic() + _GATHER_S
        while taken[-1] is not None:
            try:
                taken.append(self._said.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        return taken

    def stop(self) -> None:
        """Has what trains saved and sent, and left."""
        self._stop.set()

    def _say(self, message: Any) -> None:
        self._said.put(pickle.dumps(message))  # at once: what it holds may change while training goes on

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
            pass  # all is saved
        except BaseException as error:
            whole = Cohort(tuple(s for part, _ in parts for s in part.specs), parts[0][0].outline)
            self._say(Broken(whole, blame.told(error), traceback.format_exc(), 0.0))
        finally:
            self._said.put(None)


def disagreement(made: Mapping[str, Any], device: str, settings: Settings) -> str | None:
    """Why this machine would make other numbers than the command's, on which `made` was found; None where it would not.

    It takes the products that the command has settled, where it has that library.
    """
    choose(settings.execute.products)
    here = made_with(device, settings.execute.threads)
    flat = [{**tree, **tree["versions"], "versions": None} for tree in (made, here)]
    other = [f"{key} {flat[1].get(key)} and not {value}" for key, value in flat[0].items() if flat[1].get(key) != value]
    if not other:
        return None
    return f"node {platform.node()} has {', '.join(other)}: records would not say what made them; have the same on all nodes"


def _fetch(tables: Mapping[sources.Key, Sequence[Any]]) -> None:
    for key, (reference,) in tables.items():
        if not sources.has(key):
            sources.bring(key, library().get(reference))
