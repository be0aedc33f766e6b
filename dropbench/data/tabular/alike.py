"""Values that differ only in case or blanks, such as `yes` and `Yes `, and are probably meant to be one."""

from __future__ import annotations

from collections.abc import Iterable

from dropbench.values import count


def alike(values: Iterable[str]) -> list[tuple[str, ...]]:
    """Returns the groups of different values that are the same without their case and blanks, sorted."""
    groups: dict[str, set[str]] = {}
    for value in values:
        groups.setdefault("".join(value.split()).casefold(), set()).add(value)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def asked(what: str, called: str, values: Iterable[str]) -> list[str]:
    """Returns a note that asks whether such values are one, or nothing. called: what the values are, in the plural."""
    if not (groups := alike(values)):
        return []
    first = groups[0]
    named = ", ".join(map(repr, first[:-1])) + f" and {first[-1]!r}"
    more = f" ({count(len(groups) - 1, 'more group')} too)" if len(groups) > 1 else ""
    return [
        f"{what} has the {called} {named}, which differ only in case or blanks{more}: if they are one, write them the same "
        "way in the data"
    ]
