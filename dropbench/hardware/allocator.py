"""Keeps freed memory in the process, because the next step needs it again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


@cache
def keep_freed_memory() -> None:
    """Tells glibc to return no memory to the system before the process ends; without glibc it does nothing.

    By default every tensor above a limit of 128 KiB to 32 MiB gets its own mapping. In each training step the kernel then
    clears the pages of all activations again, which takes up to a third of a step of a small CNN or a recurrent layer
    (benchmarks/LOG.md).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)  # never
