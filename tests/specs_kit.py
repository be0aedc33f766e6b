"""From overrides to specs and plans, as the command line goes, for tests of what is made from them."""

from __future__ import annotations

from dropbench.config.compose import Composed, Composer, composer
from dropbench.config.grammar import parse
from dropbench.config.sweeps import expand
from dropbench.planning.plan import Plan, make
from dropbench.settings import Settings
from dropbench.spec import RunSpec


def grid(c: Composer, *overrides: str) -> list[Composed]:
    """Every point of the grid that these overrides make."""
    return [c.compose(point) for point in expand(parse(overrides), c.options)]


def composed(c: Composer, *overrides: str) -> Composed:
    """What these overrides make: one run."""
    (one,) = grid(c, *overrides)
    return one


def spec_of(c: Composer, *overrides: str) -> RunSpec:
    """The spec of one run."""
    return composed(c, *overrides).spec


def spec_and_settings(c: Composer, *overrides: str) -> tuple[RunSpec, Settings]:
    """The spec of one run, and where its data lies."""
    one = composed(c, *overrides)
    return one.spec, one.settings


def planned(*overrides: str) -> Plan:
    """The plan that these overrides make, by a composer of its own, which ends any other."""
    with composer() as c:
        return make(overrides, c)
