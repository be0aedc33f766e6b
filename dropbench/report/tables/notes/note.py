"""A note under a table, in a full and a short form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One note. full: with every detail. brief: only what no reader may miss; empty if there is nothing of that kind."""

    full: str
    brief: str


def as_they_are(texts: Iterable[str]) -> list[Note]:
    """Return notes whose full and short forms are the same."""
    return [Note(text, text) for text in texts]
