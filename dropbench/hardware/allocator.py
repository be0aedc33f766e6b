"""Memory that is freed stays with the process, because the next step asks for it again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


@cache
def keep_freed_memory() -> None:
    """Tells glibc to give nothing back to the system before the process ends; elsewhere, nothing.

    By default every tensor of more than 128 KiB to 32 MiB is a mapping of its own, so each step of training has the kernel
    clear its activations' pages anew: up to a third of a step of a small CNN or of a recurrent layer (benchmarks/LOG.md).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)  # never
