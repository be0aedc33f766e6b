"""The most memory that was in use while a cohort trained."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


class Peak:
    """Counts from when it is made or asked. Runs that train together share their memory: the figure is the cohort's.

    On a GPU what torch had allocated at most, so without its context and cache. On a CPU the resident set of the whole
    process, so with Python, torch and the data: what the machine had to have. Linux can start that count anew; elsewhere
    it is since the process began, earlier cohorts included.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._restart()

    def _restart(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._device.type == "cpu":
            with suppress(OSError):  # absent, or closed to the process in some sandboxes
                (_PROCESS / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): VmHWM becomes the present size

    def mb(self) -> float | None:
        """The most since the last call, in 10**6 bytes; None where the system does not tell."""
        if self._device.type == "cuda":
            most: int | None = torch.cuda.max_memory_allocated(self._device)
        else:
            most = _resident() if self._device.type == "cpu" else None
        self._restart()
        return None if most is None else round(most / 1e6, 1)


def _resident() -> int | None:
    """The process's peak resident set, in bytes."""
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # macOS counts bytes, others KiB
