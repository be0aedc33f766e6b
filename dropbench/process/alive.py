"""Identifies processes, so that the end of one on this machine is noticed; nothing is concluded about any other."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process on Linux. Its id alone is not enough, because other containers, and later boots, use the same ids."""

    node: str
    boot: str
    """A random id that the kernel draws when it boots."""
    space: str
    """The PID namespace to which `pid` belongs."""
    pid: int
    start: str
    """Its start time, in clock ticks since boot, because process ids are reused."""

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values, which `read` takes."""
        return asdict(self)

    def is_near(self, seen_from: Process) -> bool:
        """Returns whether another process is in the same PID namespace of the same machine, so that it can see this one."""
        return (self.node, self.boot, self.space) == (seen_from.node, seen_from.boot, seen_from.space)

    def has_ended(self, seen_from: Process) -> bool:
        """Returns whether it has certainly ended, as seen from another process; False unless both share a PID namespace."""
        if not self.is_near(seen_from):
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass
        state, start = _state_and_start(str(self.pid)) or ("", self.start)  # hidden: another user's, and alive
        return start != self.start or state in ("Z", "X")


def place() -> str:
    """Returns where this process's ids are valid: this machine, and the container on it."""
    try:
        return f"{platform.node()}/{os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return platform.node()


def this() -> Process | None:
    """Returns this process; None if the system does not report it."""
    return of(os.getpid())


def of(pid: int) -> Process | None:
    """Returns a process of this machine by its id; None if there is none, or if the system does not report it."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink(_PROC / "self/ns/pid")
        number = os.readlink(_PROC / "self")
    except OSError:
        return None
    found = _state_and_start(str(pid))
    if found is None or number != str(os.getpid()):  # /proc belongs to another namespace
        return None
    return Process(platform.node(), boot, space, pid, found[1])


def read(tree: Any) -> Process | None:
    """Returns a process from what `as_dict` returned; None for anything else."""
    if not isinstance(tree, dict):
        return None
    try:
        found = Process(**tree)
    except TypeError:
        return None
    texts = (found.node, found.boot, found.space, found.start)
    return found if isinstance(found.pid, int) and found.pid > 0 and all(isinstance(t, str) for t in texts) else None


def _state_and_start(pid: str) -> tuple[str, str] | None:
    """Returns state and start time from /proc/PID/stat, see proc(5). The name, which may hold anything, is in parentheses."""
    try:
        fields = (_PROC / pid / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (fields[0], fields[19]) if len(fields) > 19 else None
