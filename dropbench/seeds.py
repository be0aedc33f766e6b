"""Seeds: fresh ones, and a list of them as one types it."""

from __future__ import annotations

from collections.abc import Sequence

BLOCK = 1000
"""Fresh seeds start at the next multiple of this."""


def fresh(seeds: Sequence[int]) -> range:
    """As many seeds as were used, from the next thousand on: 0-9 gives 1000-1009, which gives 2000-2009."""
    start = BLOCK * (max(seeds) // BLOCK + 1)
    return range(start, start + len(seeds))


def apart(seeds: Sequence[int], n: int) -> range:
    """So many seeds for tuning, which are neither these nor what `fresh` makes of them: for 0-9 they are 500-502."""
    taken = {*seeds, *fresh(seeds)}
    start = BLOCK // 2
    while not taken.isdisjoint(range(start, start + n)):
        start += BLOCK
    return range(start, start + n)


def typed(seeds: Sequence[int]) -> str:
    """The override that sets these seeds: `seed=range(0,10)`, or one after the other."""
    first, last = min(seeds), max(seeds)
    if len(seeds) > 1 and sorted(seeds) == list(range(first, last + 1)):
        return f"seed=range({first},{last + 1})"
    return f"seed={','.join(map(str, sorted(seeds)))}"
