"""Sites: the named places in a model where noise may act, and which of them a placement chooses.

A model names its sites and asks `noise` to act there; it never learns which variant does. A variant looks at a
site's kind and axes and never learns which model it belongs to. Both know this file and nothing else of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, Protocol

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["activation", "weight", "recurrent", "branch", "attention", "token", "edge"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a variant may act.

    `shape` is one example's, without the replica and batch axes, and `axes` has a letter for each of its entries:
    F features, C channels, H height, W width, T time, and I, O for a weight's incoming and outgoing sides. The
    letters are what let `spatial` tell a sequence (TF) from a map (CHW) instead of guessing from the number of axes.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    axes: str

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"site {self.name}: shape {self.shape} and axes {self.axes!r} differ in length")


class Noise(Protocol):
    """What a model is handed beside its input: the only way by which it meets a variant."""

    def __call__(self, site: str, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] after the noise of that site."""
        ...

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """`then(x @ weight + bias)` under a weight site's noise; x [K, B, I], weight [K, I, O], bias [K, 1, O].

        `then` is what follows the product (normalisation, activation): moment-matched inference averages over it.
        """
        ...

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        """For a recurrent site: a function of (state [K, B, H], step), or None where no noise acts."""
        ...


def matches(name: str, pattern: str) -> bool:
    """Whether a site's name fits a glob pattern such as `hidden.*`."""
    return fnmatchcase(name, pattern)


def place(names: Sequence[str], placement: Sequence[str] | None, rates: Mapping[str, float]) -> list[str]:
    """The sites, in the model's order, that noise is placed on.

    Patterns are globs, read in order; one that opens with `-` takes sites away: `["*", "-input"]`, or `["-input"]` for
    short. Without a placement noise goes everywhere but to the input, and to any site that `rates` names more closely
    than by `*`.

    Raises UsageError for a pattern that fits no site.
    """
    chosen = ["*", "-input", *(p for p in rates if p != "*")] if placement is None else list(placement)
    given = [("dropout.placement", p, p.removeprefix("-")) for p in placement or ()]
    given += [("dropout.rates", p, p) for p in rates]  # in which a `-` means nothing
    for key, pattern, bare in given:
        if not any(matches(n, bare) for n in names):
            raise UsageError(f"{key}: no site here fits '{pattern}'; {nearest(pattern, names)}")
    on = dict.fromkeys(names, chosen[0].startswith("-") if chosen else False)
    for pattern in chosen:
        for name in names:
            if matches(name, pattern.removeprefix("-")):
                on[name] = not pattern.startswith("-")
    return [n for n in names if on[n]]


def rate_at(name: str, rate: float, rates: Mapping[str, float]) -> float:
    """The rate of one site: its own entry, else that of the longest pattern that fits, else the common rate."""
    if name in rates:
        return rates[name]
    fitting = [p for p in rates if matches(name, p)]
    return rates[max(fitting, key=len)] if fitting else rate


class Supporter(Protocol):
    """As much of a variant as placement needs."""

    def supports(self, site: Site) -> str | None: ...


def site_rates(
    variant: Supporter,
    sites: Sequence[Site],
    rate: float,
    rates: Mapping[str, float],
    placement: Sequence[str] | None,
) -> dict[str, float]:
    """The rate of every site on which a variant acts, in the model's order; empty where it can act on none."""
    names = [s.name for s in sites if variant.supports(s) is None]
    return {n: rate_at(n, rate, rates) for n in place(names, placement, rates)} if names else {}
