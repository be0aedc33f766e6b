"""The variant of an arm, and the rate at each site where it acts."""

from __future__ import annotations

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


def arm_rates(dropout: DropoutSpec, sites: tuple[Site, ...]) -> dict[str, float]:
    """The rate of every site on which this arm's variant acts."""
    return site_rates(variant(dropout), sites, dropout.rate, dropout.rates, dropout.placement)
