"""Keeps the traceback of a fault of ours, where the user can find it."""

from __future__ import annotations

import tempfile
import traceback


def keep() -> str:
    """Writes the exception that is being handled to a new file in the system's temporary folder; returns its path."""
    with tempfile.NamedTemporaryFile("w", prefix="dropbench-crash-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name
