"""The variants of an arm, and the rate of each at each site."""

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
"""Users' variants that could be constructed."""


def variant(dropout: DropoutSpec) -> Variant:
    """Returns the variant that an arm names, with its options.

    Raises
    ------
    UsageError
        If a user's class declares kinds of site for which it lacks the methods.
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
    """Constructs a variant. A user's class is first constructed once in another process, in case that ends or hangs."""

    def construct() -> Variant:
        acting: Variant = locate(dropout.target)(**dropout.options)
        return acting

    key = f"{dropout.target} {dropout.options}"
    if not dropout.target.startswith(OWN) and key not in _tried:
        apart(dropout.target, f"dropout={dropout.name}", construct)
        _tried.add(key)
    return construct()


def arm_rates(dropout: DropoutSpec, sites: Sequence[Site], key: str = "dropout") -> dict[str, float]:
    """Returns the rate of every site at which one variant of an arm acts. key: the prefix of its keys on the command line."""
    return site_rates(variant(dropout), sites, dropout.rate, dropout.rates, dropout.placement, key)


def keys(variants: Sequence[DropoutSpec]) -> list[str]:
    """Returns the prefix of each variant's keys on the command line: `dropout` for one, `dropout.locked` for one of several."""
    return ["dropout"] if len(variants) == 1 else [f"dropout.{v.name}" for v in variants]


@dataclass(frozen=True)
class Place:
    """One of an arm's variants at one site.

    Attributes
    ----------
    site : str
        The site's name.
    slot : int
        The variant's index in the arm.
    name : str
        The variant's name.
    label : str
        Under which its rate is stored in a record: the site, or `site/variant` if there are several variants.
    stream : str
        The random stream that it draws from, after `mask/`: the site's own for the arm's first variant that acts there,
        `site/variant` for later ones. So adding a variant at the end of a list does not change the draws of the others.
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
    """Returns where an arm's variants act: site by site in the model's order, and within a site in the order of the variants.

    For a single variant this includes sites at rate 0, which its record also lists. Raises UsageError for a pattern that
    matches no site.
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
    """Returns why these variants of an arm cannot act where they are placed, or None.

    At one site they act in sequence, each on the output of the one before. That is impossible where noise is more than a
    function of one tensor: weights under two variants have no defined inference, a mixture of states and a residual branch that
    may be skipped take one mask, and a recurrent state is passed from step to step by a product.
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
            f"dropout=[{listed}]: {both} would both act on {site.name}, but a {site.kind.replace('_', ' ')} site takes one "
            f"variant; choose other sites for one of them, as in dropout.{here[-1].name}.placement=[...], or leave one out"
        )
    return None


_IN_TURN = ("activation", "feedforward", "attention", "token", "edge", "patch", "recurrent_weight")
"""Kinds of site at which any variants can act in sequence."""
_STEPS = ("recurrent", "candidate")
"""Kinds of site at which variants can act in sequence if all of them multiply."""
