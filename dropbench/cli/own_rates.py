"""The overrides under which a user's network drops at the rates that it was written with, for `dropbench list sites`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.config.typed import setting

if TYPE_CHECKING:
    from dropbench.planning.outline import Outline
    from dropbench.spec import DropoutSpec

_MORE = ("standard", "attention", "stochastic_depth")
"""Variants that do what torch's layers do at a kind of site: after a layer, on attention weights, at a residual branch."""


@dataclass(frozen=True)
class Kept:
    """words: overrides to type; empty if the network drops nothing. left: sites with a rate at which no variant can act."""

    words: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def keeping(variants: Sequence[DropoutSpec], outline: Outline, more: Callable[[str], DropoutSpec]) -> Kept:
    """Return what to type so that each site gets the rate that the network itself has there, and no other site any.

    Parameters
    ----------
    variants : sequence of DropoutSpec
        The arm's variants. Each site is given to the first that can act there.
    outline : Outline
        The outline of the network; sites with a rate of its own have `own`.
    more : callable
        Returns the variant of a name, for sites at which none of the arm's can act.
    """
    from dropbench.planning.variants import variant

    sites = outline.sites
    left = {s.name: s.own for s in sites if s.own is not None}
    if not any(left.values()):
        return Kept()
    chosen: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys([*(v.name for v in variants), *_MORE]):
        if not any(left.values()):
            break
        spec = next((v for v in variants if v.name == name), None) or more(name)
        mine = {s.name: left.pop(s.name) for s in sites if s.name in left and variant(spec).supports(s) is None}
        if any(mine.values()):
            chosen[name] = _rates(spec, mine, outline)
    names = list(chosen)
    words = [] if names == [v.name for v in variants] else [f"dropout={_listed(names)}"]
    keys = ["dropout"] if len(names) == 1 else [f"dropout.{name}" for name in names]
    words += [setting(f"{key}.rates", rates) for key, rates in zip(keys, chosen.values(), strict=True)]
    return Kept(tuple(words) if names else (), tuple(name for name, rate in left.items() if rate))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"


def _rates(spec: DropoutSpec, own: Mapping[str, float], outline: Outline) -> dict[str, float]:
    """Return the shortest rates with which a variant acts at each site at its own rate, and at 0 wherever there is none."""
    from dropbench.planning.variants import arm_rates

    ((usual, times),) = Counter(own.values()).most_common(1)
    common = {"*": usual} if times > 1 else {}
    rates = common | {name: rate for name, rate in own.items() if rate != common.get("*")}
    reached = arm_rates(spec.model_copy(update={"rates": rates, "placement": None}), outline.sites)
    return rates | {name: own.get(name, 0.0) for name, rate in reached.items() if rate != own.get(name, 0.0)}
