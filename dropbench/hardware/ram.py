"""How much memory this machine has."""

from __future__ import annotations

import os


def ram() -> int | None:
    """Bytes of memory of the whole machine; None where the system does not tell, as Windows does not."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
