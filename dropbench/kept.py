"""A cache for small results that are slow to compute, in the user's cache folder, which may be deleted at any time."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


class Kept:
    """Values by key in one file of ~/.cache/dropbench. A file that cannot be read or written does no harm.

    Parameters
    ----------
    name : str
        The name of the file, such as `fingerprints.json`.
    """

    def __init__(self, name: str) -> None:
        base = os.environ.get("XDG_CACHE_HOME")
        self._path = (Path(base) if base else Path.home() / ".cache") / "dropbench" / name

    def get(self, key: str) -> object:
        """Returns the stored JSON value, or None. The caller must check it, because the file may contain anything."""
        return self._all().get(key)

    def put(self, key: str, value: int | str) -> None:
        """Stores a value, if the folder can be written."""
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
