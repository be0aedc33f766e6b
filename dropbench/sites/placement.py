"""Which sites a placement chooses, and at which rates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from dropbench.errors import UsageError, nearest
from dropbench.sites import Site


def matches(name: str, pattern: str) -> bool:
    """Whether a site's name fits a glob pattern such as `hidden.*`."""
    return fnmatchcase(name, pattern)


def place(
    names: Sequence[str],
    placement: Sequence[str] | None,
    rates: Mapping[str, float],
    key: str = "dropout",
    asked: Collection[str] = (),
) -> list[str]:
    """The sites, in the model's order, that noise is placed on.

    Patterns are globs, read in order; one that opens with `-` takes sites away: `["*", "-input"]`, or `["-input"]` for
    short. Without a placement noise goes everywhere but to the input, and to any site that `rates` names more closely
    than by `*`. `key` is that under which they were typed.

    Sites among `asked` are reached by their names alone, or by a pattern that ends as they do: `hidden.0.before` by
    `*.before`, and by neither `*` nor `hidden.*`.

    Raises UsageError for a pattern that fits no site.

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
    given += [("rates", p, p) for p in rates]  # in which a `-` means nothing
    for last, pattern, bare in given:
        if not any(_reaches(bare, n, asked) for n in names):
            usual = [n for n in names if n not in asked] or names
            raise UsageError(f"{key}.{last}: no site here fits '{pattern}'; {nearest(pattern, usual)}")
    everywhere = bool(chosen) and chosen[0].startswith("-")
    on = {name: everywhere and name not in asked for name in names}
    for pattern in chosen:
        for name in names:
            if _reaches(pattern.removeprefix("-"), name, asked):
                on[name] = not pattern.startswith("-")
    return [n for n in names if on[n]]


def _reaches(pattern: str, name: str, asked: Collection[str]) -> bool:
    """Whether a pattern of a placement means a site."""
    return matches(name, pattern) and (name not in asked or pattern.rpartition(".")[2] == name.rpartition(".")[2])


def rate_at(name: str, rate: float, rates: Mapping[str, float]) -> float:
    """The rate of one site: its own entry, else that of the longest pattern that fits, else `rate`.

    >>> rates = {"*": 0.1, "hidden.*": 0.3, "hidden.1": 0.5}
    >>> [rate_at(site, 0.2, rates) for site in ("input", "hidden.0", "hidden.1")]
    [0.1, 0.3, 0.5]
    """
    if name in rates:
        return rates[name]
    fitting = [p for p in rates if matches(name, p)]
    return rates[max(fitting, key=len)] if fitting else rate


class Supporter(Protocol):
    """As much of a variant as placement needs."""

    def supports(self, site: Site) -> str | None:
        """None where it can act, else the reason why not."""
        ...

    def site_rate(self, site: Site, rate: float) -> float:
        """The rate of one site, in [0, 1), where the common rate is `rate`."""
        ...


def site_rates(
    variant: Supporter,
    sites: Sequence[Site],
    rate: float,
    rates: Mapping[str, float],
    placement: Sequence[str] | None,
    key: str = "dropout",
) -> dict[str, float]:
    """The rate of every site on which a variant acts, in the model's order; empty where it can act on none.

    A rate given for a site in `rates` is that site's; what a variant makes of the common one is its own affair.
    """
    able = {s.name: s for s in sites if variant.supports(s) is None}
    if not able:
        return {}
    asked = {name for name, site in able.items() if site.asked}
    placed = place(list(able), placement, rates, key, asked)
    return {n: rate_at(n, variant.site_rate(able[n], rate), rates) for n in placed}
