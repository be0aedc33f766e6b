"""How a worker process begins: as a copy of this one, or in a fresh interpreter.

A copy (fork) is there at once and shares the data that planning has read. It lacks this process's other threads, though,
and waits for ever for one that held a lock or belongs to a pool, such as torch's after an operation on several threads. So
it is for Linux, where dropbench has the process to itself, and while nothing has started threads in it. A fresh interpreter
costs a second or two.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_TASKS = Path("/proc/self/task")
_own = False


def have_this_process() -> None:
    """Says that dropbench has this process to itself, as its command does: no other code has run in it."""
    global _own
    _own = True


def may_fork() -> bool:
    """Whether a copy of this process can train, whatever has run in it."""
    return sys.platform == "linux" and _own and not _unknown_threads()


_alone = False


@contextmanager
def only_this_process() -> Iterator[None]:
    """Meanwhile nothing is trained elsewhere: no other process could find the code that is to run."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def alone() -> bool:
    """Whether this process alone can train."""
    return _alone


def context(copies: bool = True) -> Any:
    """What to start workers with, one of those of multiprocessing.

    copies: whether a copy of this process could do the work. With CUDA it cannot, once anything here has asked for the cards.
    """
    from multiprocessing import get_context

    return get_context("fork" if copies and may_fork() else "spawn")


def begin(process: BaseProcess) -> None:
    """Starts it without running the script again that this process is of.

    A fresh interpreter would first import that script, for functions that it may have to find there. There are none of ours,
    and a script without `if __name__ == "__main__"` would begin its sweep once more in each worker.
    """
    with _no_script():
        process.start()


@contextmanager
def _no_script() -> Iterator[None]:
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _unknown_threads() -> bool:
    """Whether there are threads beside Python's own and those of libraries that start theirs afresh in a copy.

    They are OpenBLAS, and the jemalloc of pyarrow, which pandas imports where it is installed.
    """
    from threadpoolctl import threadpool_info

    libraries = [library["internal_api"] for library in threadpool_info()].count("openblas")
    known = threading.active_count() + libraries * (_openblas_threads() - 1)
    return sum(_name(task) != "jemalloc_bg_thd" for task in _TASKS.iterdir()) > known


def _name(task: Path) -> str:
    """Of a thread; nothing where it has ended meanwhile."""
    try:
        return (task / "comm").read_text().strip()
    except OSError:
        return ""


def _openblas_threads() -> int:
    """How many each OpenBLAS uses: one a core, unless the environment says otherwise."""
    for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdecimal() and int(value):
            return min(int(value), len(os.sched_getaffinity(0)))
    return len(os.sched_getaffinity(0))
