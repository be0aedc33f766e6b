"""Which process is meant, so that one on this very machine is known to have ended; of any other nothing is concluded."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of Linux. A number alone would not do: another container, and the next boot, have the same ones."""

    node: str
    boot: str
    """A random id that the kernel draws when it starts."""
    space: str
    """The namespace in which `pid` is a number."""
    pid: int
    start: str
    """When it began, in ticks since boot: numbers are used again."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, that `read` takes."""
        return asdict(self)

    def is_near(self, seen_from: Process) -> bool:
        """Whether another process counts in the same namespace of the same machine, so that it can tell."""
        return (self.node, self.boot, self.space) == (seen_from.node, seen_from.boot, seen_from.space)

    def has_ended(self, seen_from: Process) -> bool:
        """Whether it certainly has, as another process can tell: only where both count in the same namespace."""
        if not self.is_near(seen_from):
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass
        state, start = _state_and_start(str(self.pid)) or ("", self.start)  # hidden: it is another user's, and alive
        return start != self.start or state in ("Z", "X")


def place() -> str:
    """Where numbers of processes are the ones of this process: this machine, and the container in it."""
    try:
        return f"{platform.node()}/{os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return platform.node()


def this() -> Process | None:
    """Of the process that asks; None where the system does not tell."""
    return of(os.getpid())


def of(pid: int) -> Process | None:
    """Of a process on this machine, by its number; None where there is none, or where the system does not tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink(_PROC / "self/ns/pid")
        number = os.readlink(_PROC / "self")
    except OSError:
        return None
    found = _state_and_start(str(pid))
    if found is None or number != str(os.getpid()):  # a /proc of another namespace
        return None
    return Process(platform.node(), boot, space, pid, found[1])


def read(tree: Any) -> Process | None:
    """From `as_dict`; None for anything else."""
    if not isinstance(tree, dict):
        return None
    try:
        found = Process(**tree)
    except TypeError:
        return None
    texts = (found.node, found.boot, found.space, found.start)
    return found if isinstance(found.pid, int) and found.pid > 0 and all(isinstance(t, str) for t in texts) else None


def _state_and_start(pid: str) -> tuple[str, str] | None:
    """See proc(5): the name, which may hold anything, stands in parentheses before the third field."""
    try:
        fields = (_PROC / pid / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (fields[0], fields[19]) if len(fields) > 19 else None
