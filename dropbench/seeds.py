"""Chooses new seeds, and writes seeds in the form in which they are typed."""

from __future__ import annotations

from collections.abc import Sequence

BLOCK = 1000
"""Fresh seeds start at the next multiple of this number."""


def fresh(seeds: Sequence[int]) -> range:
    """Returns as many new seeds as there are seeds, starting at the next thousand.

    >>> fresh([0, 1, 2]), fresh(fresh([0, 1, 2]))
    (range(1000, 1003), range(2000, 2003))
    """
    start = BLOCK * (max(seeds) // BLOCK + 1)
    return range(start, start + len(seeds))


def apart(seeds: Sequence[int], n: int) -> range:
    """Returns n seeds for tuning that are neither these seeds nor those that `fresh` returns for them.

    >>> apart(range(0, 10), 3), apart(range(0, 501), 3)
    (range(500, 503), range(2500, 2503))
    """
    taken = {*seeds, *fresh(seeds)}
    start = BLOCK // 2
    while not taken.isdisjoint(range(start, start + n)):
        start += BLOCK
    return range(start, start + n)


def typed(seeds: Sequence[int]) -> str:
    """Returns the override that sets these seeds.

    >>> typed([0, 1, 2]), typed([4, 0])
    ('seed=range(0,3)', 'seed=0,4')
    """
    first, last = min(seeds), max(seeds)
    if len(seeds) > 1 and sorted(seeds) == list(range(first, last + 1)):
        return f"seed=range({first},{last + 1})"
    return f"seed={','.join(map(str, sorted(seeds)))}"
