"""The peak memory use of a cohort in training."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


class Peak:
    """Measures the peak since it was created or last read. The figure is for the whole cohort, whose runs share memory.

    On a GPU it is the largest amount that torch had allocated, without its context and cache. On a CPU it is the peak
    resident set of the whole process, including Python, torch and the data. Linux can reset that peak; elsewhere it counts
    from the start of the process and includes earlier cohorts.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._restart()

    def _restart(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._device.type == "cpu":
            with suppress(OSError):  # the file does not exist, or may not be opened in some sandboxes
                (_PROCESS / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): resets VmHWM to the current size

    def mb(self) -> float | None:
        """Returns the peak since the last call, in 10**6 bytes, or None if the system does not report it."""
        if self._device.type == "cuda":
            most: int | None = torch.cuda.max_memory_allocated(self._device)
        else:
            most = _resident() if self._device.type == "cpu" else None
        self._restart()
        return None if most is None else round(most / 1e6, 1)


def _resident() -> int | None:
    """Returns the process's peak resident set, in bytes."""
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
