"""Remembers for later commands how many runs of a shape one stack may hold on this machine, once more ran out of memory."""

from __future__ import annotations

from dropbench.execute.cohorts import Cohort
from dropbench.execute.shape import shape_key
from dropbench.kept import Kept
from dropbench.settings import Settings

NAME = "memory_limits.json"
"""The file in the user's cache folder. It may be deleted, for example when the machine gets more memory."""


class MemoryLimits:
    """The cohort sizes that memory allows, learned from running out of it."""

    def __init__(self, settings: Settings, device: str, workers: int) -> None:
        self._here = (settings, device, workers)
        self._kept = Kept(NAME)
        self._learned: dict[str, int] = {}
        """The limits that this command learned, which it uses even if the cache folder cannot be written."""

    def most(self, cohort: Cohort) -> int | None:
        """Returns the largest number of runs like these in one cohort, or None if no limit is known."""
        key = shape_key(cohort, *self._here)
        kept = self._learned.get(key) or self._kept.get(key)
        return kept if isinstance(kept, int) and kept > 0 else None

    def lower(self, cohort: Cohort, most: int) -> None:
        """Remembers that cohorts of runs like these may have at most `most` runs."""
        key = shape_key(cohort, *self._here)
        self._learned[key] = most
        self._kept.put(key, most)
