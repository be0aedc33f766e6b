"""The size of this machine's memory."""

from __future__ import annotations

import os


def ram() -> int | None:
    """Returns the memory of the whole machine in bytes, or None if the system does not report it, as on Windows."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
