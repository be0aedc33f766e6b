"""Which sites a placement chooses, and at which rates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from dropbench.errors import UsageError, nearest
from dropbench.sites import Site


def matches(name: str, pattern: str) -> bool:
    """Returns whether a site's name matches a glob pattern such as `hidden.*`."""
    return fnmatchcase(name, pattern)


def place(
    names: Sequence[str],
    placement: Sequence[str] | None,
    rates: Mapping[str, float],
    key: str = "dropout",
    asked: Collection[str] = (),
) -> list[str]:
    """Returns the sites on which noise is placed, in the model's order.

    Patterns are globs, applied in order. One that starts with `-` removes sites: `["*", "-input"]`, or `["-input"]` for
    short. Without a placement, noise is placed everywhere except at the input, and at every site that `rates` names by more
    than `*`. `key` is the key under which the patterns were typed, for messages.

    Sites in `asked` are matched only by their names, or by a pattern with the same ending: `hidden.0.before` by `*.before`,
    but not by `*` or `hidden.*`.

    Raises UsageError for a pattern that matches no site.

    >>> sites = ["input", "hidden.0", "hidden.1", "hidden.1.before"]
    >>> place(sites, None, {}, asked=["hidden.1.before"])
    ['hidden.0', 'hidden.1']
    >>> place(sites, None, {"input": 0.2}, asked=["hidden.1.before"])
    ['input', 'hidden.0', 'hidden.1']
    >>> place(sites, ["hidden.*", "-hidden.0"], {}, asked=["hidden.1.before"])
    ['hidden.1']
    >>> place(sites, ["*.before"], {}, asked=["hidden.1.before"])
    ['hidden.1.before']
    """
    chosen = ["*", "-input", *(p for p in rates if p != "*")] if placement is None else list(placement)
    given = [("placement", p, p.removeprefix("-")) for p in placement or ()]
    given += [("rates", p, p) for p in rates]  # here a `-` has no special meaning
    for last, pattern, bare in given:
        if not any(_reaches(bare, n, asked) for n in names):
            usual = [n for n in names if n not in asked] or names
            raise UsageError(f"{key}.{last}: no site matches '{pattern}'; {nearest(pattern, usual)}")
    everywhere = bool(chosen) and chosen[0].startswith("-")
    on = {name: everywhere and name not in asked for name in names}
    for pattern in chosen:
        for name in names:
            if _reaches(pattern.removeprefix("-"), name, asked):
                on[name] = not pattern.startswith("-")
    return [n for n in names if on[n]]


def _reaches(pattern: str, name: str, asked: Collection[str]) -> bool:
    """Returns whether a pattern of a placement includes a site."""
    return matches(name, pattern) and (name not in asked or pattern.rpartition(".")[2] == name.rpartition(".")[2])


def rate_at(name: str, rate: float, rates: Mapping[str, float]) -> float:
    """Returns the rate of one site: its own entry, else that of the longest pattern that matches, else `rate`.

    >>> rates = {"*": 0.1, "hidden.*": 0.3, "hidden.1": 0.5}
    >>> [rate_at(site, 0.2, rates) for site in ("input", "hidden.0", "hidden.1")]
    [0.1, 0.3, 0.5]
    """
    if name in rates:
        return rates[name]
    fitting = [p for p in rates if matches(name, p)]
    return rates[max(fitting, key=len)] if fitting else rate


class Supporter(Protocol):
    """The part of a variant's interface that placement needs."""

    def supports(self, site: Site) -> str | None:
        """Returns None if it can act at the site, else the reason why it cannot."""
        ...

    def site_rate(self, site: Site, rate: float) -> float:
        """Returns the rate of one site, in [0, 1), for the common rate `rate`."""
        ...


def site_rates(
    variant: Supporter,
    sites: Sequence[Site],
    rate: float,
    rates: Mapping[str, float],
    placement: Sequence[str] | None,
    key: str = "dropout",
) -> dict[str, float]:
    """Returns the rate of every site on which a variant acts, in the model's order; empty if it can act on none.

    A rate given for a site in `rates` is used as it is. For other sites the variant derives the rate from the common one.
    """
    able = {s.name: s for s in sites if variant.supports(s) is None}
    if not able:
        return {}
    asked = {name for name, site in able.items() if site.asked}
    placed = place(list(able), placement, rates, key, asked)
    return {n: rate_at(n, variant.site_rate(able[n], rate), rates) for n in placed}
