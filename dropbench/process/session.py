"""A process in a session of its own: it goes on when the terminal closes that it was started from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def python() -> list[str]:
    """Words that start Python, which finds modules where this process does: in the current folder only if it looked there."""
    here = bool(sys.path) and sys.path[0] in ("", os.getcwd())
    return [sys.executable, *([] if here else ["-P"])]


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a program that reads nothing and writes into a log, and returns at once. Raises OSError as `open` does."""
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
