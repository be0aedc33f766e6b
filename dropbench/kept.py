"""Small answers that were slow to find, kept for the next time in the user's cache folder, which may be deleted at any time."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


class Kept:
    """Values by key in one file of ~/.cache/dropbench; nothing is lost by not reading or not writing it.

    Parameters
    ----------
    name : str
        Of the file: `fingerprints.json`.
    """

    def __init__(self, name: str) -> None:
        base = os.environ.get("XDG_CACHE_HOME")
        self._path = (Path(base) if base else Path.home() / ".cache") / "dropbench" / name

    def get(self, key: str) -> object:
        """What was kept, as JSON has it, or None. It may be anything: who asks has to look."""
        return self._all().get(key)

    def put(self, key: str, value: int | str) -> None:
        """Keeps a value, if the folder can be written."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps({**self._all(), key: value}))
            beside.replace(self._path)

    def _all(self) -> dict[str, object]:
        try:
            tree = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return tree if isinstance(tree, dict) else {}
