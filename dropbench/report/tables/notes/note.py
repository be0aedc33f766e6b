"""A sentence under a table, in full and in short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """full: with all that there is to know. brief: what nobody may miss; nothing where that is nothing."""

    full: str
    brief: str


def as_they_are(texts: Iterable[str]) -> list[Note]:
    """Sentences that are as short as they can be."""
    return [Note(text, text) for text in texts]
