"""The vocabulary of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def by_frequency(words: Iterable[str], min_count: int = 1) -> list[str]:
    """Returns the words that occur at least `min_count` times, most frequent first, ties in alphabetical order."""
    counts = Counter(words)
    return sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
