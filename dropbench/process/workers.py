"""How a worker process starts: as a fork of this one, or in a fresh interpreter.

A fork starts at once and shares the data that planning has read. But it lacks this process's other threads, and waits for ever
for a thread that held a lock or belongs to a pool, such as torch's after a multithreaded operation. So forks are used only on
Linux, if dropbench has the process to itself, and while nothing has started threads in it. A fresh interpreter takes a second
or two.
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
    """Declares that dropbench has this process to itself, as in its command: no other code has run in it."""
    global _own
    _own = True


def may_fork() -> bool:
    """Returns whether a fork of this process can train, whatever has run in it."""
    return sys.platform == "linux" and _own and not _unknown_threads()


_alone = False


@contextmanager
def only_this_process() -> Iterator[None]:
    """Context manager in which no other process trains, because none could find the code to run."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def alone() -> bool:
    """Returns whether only this process can train."""
    return _alone


def context(copies: bool = True) -> Any:
    """Returns the multiprocessing context for workers.

    copies: whether a fork of this process could do the work. With CUDA it cannot, once anything here has initialised it.
    """
    from multiprocessing import get_context

    return get_context("fork" if copies and may_fork() else "spawn")


def begin(process: BaseProcess) -> None:
    """Starts a process without running this process's main script again.

    A fresh interpreter would first import that script to find functions in it. None of ours are there, and a script without `if
    __name__ == "__main__"` would start its sweep again in each worker.
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
    """Returns whether there are threads other than Python's and those of libraries that restart theirs in a fork.

    These libraries are OpenBLAS, and the jemalloc of pyarrow, which pandas imports if it is installed.
    """
    from threadpoolctl import threadpool_info

    libraries = [library["internal_api"] for library in threadpool_info()].count("openblas")
    known = threading.active_count() + libraries * (_openblas_threads() - 1)
    return sum(_name(task) != "jemalloc_bg_thd" for task in _TASKS.iterdir()) > known


def _name(task: Path) -> str:
    """Returns a thread's name; empty if it has ended meanwhile."""
    try:
        return (task / "comm").read_text().strip()
    except OSError:
        return ""


def _openblas_threads() -> int:
    """Returns how many threads each OpenBLAS uses: one per core, unless the environment says otherwise."""
    for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdecimal() and int(value):
            return min(int(value), len(os.sched_getaffinity(0)))
    return len(os.sched_getaffinity(0))
