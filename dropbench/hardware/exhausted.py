"""What shows that memory ran out: errors of every library that allocates, and processes that the kernel killed for it."""

from __future__ import annotations

import ctypes
import errno
import gc
import re
import sys
from pathlib import Path

_SAID = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|failed to allocate|_ALLOC_FAILED",
    re.I,
)
"""By torch's allocator of a CPU ("DefaultCPUAllocator: can't allocate memory"), by CUDA, cuBLAS, cuDNN and Metal."""
_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Lines `oom_kill 3`: of this container, where it has one, and of the whole machine."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there was no memory left, itself or the one that it came of."""
    if (first := error.__cause__ or error.__context__) is not None and ran_out(first):
        return True
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch.OutOfMemoryError is a RuntimeError, and so are those that have no class of their own.
    return isinstance(error, RuntimeError) and bool(_SAID.search(str(error)))


def kills() -> int | None:
    """How many processes the kernel has killed for want of memory; None where it does not tell."""
    for counter in _COUNTERS:
        try:
            found = re.search(r"^oom_kill (\d+)$", counter.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def give_back(device: str) -> None:
    """Returns what broke off to the device or, from a CPU, to the system: the next cohort is to have all of it."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    elif (trim := getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None) is not None:
        trim(0)  # by itself glibc keeps it: see hardware/allocator.py
