"""The variants of an arm, and the rate at each site where each acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.config.parts import locate
from dropbench.errors import UsageError
from dropbench.identity import OWN
from dropbench.process.apart import apart
from dropbench.sites import Site
from dropbench.sites.placement import site_rates
from dropbench.spec import DropoutSpec

if TYPE_CHECKING:
    from dropbench.dropout.base import Variant

_tried: set[str] = set()
"""Variants of the user's own that could be made."""


def variant(dropout: DropoutSpec) -> Variant:
    """The variant that an arm names, with its options.

    Raises
    ------
    UsageError
        For a class of the user's own that says it acts where it lacks the methods for it.
    """
    from dropbench.dropout.base import AtTransitions, AtWeights

    acting = _constructed(dropout)
    for kind, needed in {"weight": AtWeights, "transition": AtTransitions}.items():
        if kind in acting.kinds and not isinstance(acting, needed):
            raise UsageError(
                f"dropout={dropout.name}: its class acts on {kind} sites, so it must be a subclass of "
                f"dropbench.dropout.base.{needed.__name__}"
            )
    return acting


def _constructed(dropout: DropoutSpec) -> Variant:
    """It is made again and again; what a user's class does when it is made is found out the first time, elsewhere."""

    def construct() -> Variant:
        acting: Variant = locate(dropout.target)(**dropout.options)
        return acting

    key = f"{dropout.target} {dropout.options}"
    if not dropout.target.startswith(OWN) and key not in _tried:
        apart(dropout.target, f"dropout={dropout.name}", construct)
        _tried.add(key)
    return construct()


def arm_rates(dropout: DropoutSpec, sites: Sequence[Site], key: str = "dropout") -> dict[str, float]:
    """The rate of every site on which one variant of an arm acts. key: under which its keys are typed."""
    return site_rates(variant(dropout), sites, dropout.rate, dropout.rates, dropout.placement, key)


def keys(variants: Sequence[DropoutSpec]) -> list[str]:
    """Under which the keys of each of an arm's variants are typed: `dropout` of one, `dropout.locked` of one of several."""
    return ["dropout"] if len(variants) == 1 else [f"dropout.{v.name}" for v in variants]


@dataclass(frozen=True)
class Place:
    """One of an arm's variants at one site.

    Attributes
    ----------
    site : str
        The site's name.
    slot : int
        Which of the arm's variants it is.
    name : str
        What that is called.
    label : str
        By which its rate goes in a record: the site, of one of several variants `site/variant`.
    stream : str
        From which it draws, after `mask/`: the site's own for the first of the arm's variants that acts there, `site/variant`
        for those after it. So what is added at the end of a list changes no draw of the others.
    rate : float
        In [0, 1).
    """

    site: str
    slot: int
    name: str
    label: str
    stream: str
    rate: float


def places(variants: Sequence[DropoutSpec], sites: Sequence[Site]) -> list[Place]:
    """Where an arm's variants act, site by site in the model's order, and at one site in the order of the variants.

    One that stands alone has its places at rate 0 among them, as its record tells them. Raises UsageError for a pattern that
    fits no site.
    """
    rates = [arm_rates(v, sites, key) for v, key in zip(variants, keys(variants), strict=True)]
    if len(variants) == 1:
        return [Place(site, 0, variants[0].name, site, site, rate) for site, rate in rates[0].items()]
    found: list[Place] = []
    for site in (s.name for s in sites):
        here = [(slot, v.name) for slot, v in enumerate(variants) if rates[slot].get(site, 0.0) > 0]
        for i, (slot, name) in enumerate(here):
            label = f"{site}/{name}"
            found.append(Place(site, slot, name, label, label if i else site, rates[slot][site]))
    return found


def together(variants: Sequence[DropoutSpec], sites: Sequence[Site]) -> str | None:
    """Why these variants of an arm cannot act where they are placed, or None.

    At one site they act in turn, each on what the one before it gives. Where noise is more than something that is done to a
    tensor, there is no such turn: weights under two variants at once have no inference, a mixture of states and a residual
    branch that may be left out take one mask, and a state is handed from step to step by a product.
    """
    at: dict[str, list[Place]] = {}
    for place in places(variants, sites) if len(variants) > 1 else ():
        at.setdefault(place.site, []).append(place)
    for site in sites:
        if len(here := at.get(site.name, [])) < 2 or site.kind in _IN_TURN:
            continue
        if site.kind in _STEPS and all(variant(variants[p.slot]).multiplies for p in here):
            continue
        listed, both = ",".join(v.name for v in variants), " and ".join(p.name for p in here)
        return (
            f"dropout=[{listed}]: {both} would both act on {site.name}, and a {site.kind.replace('_', ' ')} site takes one "
            f"variant; choose other sites for one of them, as by dropout.{here[-1].name}.placement=[...], or leave it out"
        )
    return None


_IN_TURN = ("activation", "feedforward", "attention", "token", "edge", "patch", "recurrent_weight")
"""Kinds of site at which several variants act one after the other, whatever they are."""
_STEPS = ("recurrent", "candidate")
"""Those at which they do if all of them multiply."""
