"""Recognises that memory ran out: by the errors of all libraries that allocate, and by processes that the kernel killed."""

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
"""Messages of torch's CPU allocator ("DefaultCPUAllocator: can't allocate memory"), CUDA, cuBLAS, cuDNN and Metal."""
_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Files with a line such as `oom_kill 3`, for this container (if it has one) and for the whole machine."""


def ran_out(error: BaseException) -> bool:
    """Returns whether an error, or its cause, says that memory ran out."""
    if (first := error.__cause__ or error.__context__) is not None and ran_out(first):
        return True
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch.OutOfMemoryError is a RuntimeError, and so are the errors without a class of their own.
    return isinstance(error, RuntimeError) and bool(_SAID.search(str(error)))


def kills() -> int | None:
    """Returns how many processes the kernel has killed for lack of memory, or None if it does not say."""
    for counter in _COUNTERS:
        try:
            found = re.search(r"^oom_kill (\d+)$", counter.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def give_back(device: str) -> None:
    """Releases the memory of an aborted cohort to the device or, on a CPU, to the system, for the next cohort."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    elif (trim := getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None) is not None:
        trim(0)  # glibc would keep it: see hardware/allocator.py
