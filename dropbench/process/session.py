"""Starts processes in their own session, so that they continue when the terminal closes from which they were started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def python() -> list[str]:
    """Returns words that start Python, which finds modules where this process does: in the current folder only if it does."""
    here = bool(sys.path) and sys.path[0] in ("", os.getcwd())
    return [sys.executable, *([] if here else ["-P"])]


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a program without input whose output goes to a log, and returns at once. Raises OSError as `open` does."""
    flags = 0x00000208 if sys.platform == "win32" else 0  # DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP
    with log.open("ab") as said:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            creationflags=flags,
        )
