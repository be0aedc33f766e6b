"""How many runs of a shape one stack may hold here, where more of them have run out of memory: kept for the next command."""

from __future__ import annotations

from dropbench.execute.cohorts import Cohort
from dropbench.execute.shape import shape_key
from dropbench.kept import Kept
from dropbench.settings import Settings

NAME = "memory_limits.json"
"""In the user's cache folder. Who has more memory now may delete it."""


class MemoryLimits:
    """Sizes of cohorts that memory allows, learned by running out of it."""

    def __init__(self, settings: Settings, device: str, workers: int) -> None:
        self._here = (settings, device, workers)
        self._kept = Kept(NAME)
        self._learned: dict[str, int] = {}
        """By this command: it holds where the cache folder cannot be written too."""

    def most(self, cohort: Cohort) -> int | None:
        """The most runs like these that one cohort may have, None where nothing is known."""
        key = shape_key(cohort, *self._here)
        kept = self._learned.get(key) or self._kept.get(key)
        return kept if isinstance(kept, int) and kept > 0 else None

    def lower(self, cohort: Cohort, most: int) -> None:
        """Remembers that runs like these need smaller cohorts."""
        key = shape_key(cohort, *self._here)
        self._learned[key] = most
        self._kept.put(key, most)
