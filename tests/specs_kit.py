"""Creates specs and plans from overrides, as the command line does, for tests that use them."""

from __future__ import annotations

from dropbench.config.compose import Composed, Composer, composer
from dropbench.config.grammar import parse
from dropbench.config.sweeps import expand
from dropbench.planning.plan import Plan, make
from dropbench.settings import Settings
from dropbench.spec import RunSpec


def grid(c: Composer, *overrides: str) -> list[Composed]:
    """Return every point of the grid of these overrides."""
    return [c.compose(point) for point in expand(parse(overrides), c.options)]


def composed(c: Composer, *overrides: str) -> Composed:
    """Return the configuration of the one run of these overrides."""
    (one,) = grid(c, *overrides)
    return one


def spec_of(c: Composer, *overrides: str) -> RunSpec:
    """Return the spec of one run."""
    return composed(c, *overrides).spec


def spec_and_settings(c: Composer, *overrides: str) -> tuple[RunSpec, Settings]:
    """Return the spec and the settings of one run."""
    one = composed(c, *overrides)
    return one.spec, one.settings


def planned(*overrides: str) -> Plan:
    """Return the plan of these overrides; opens its own composer, which closes any other."""
    with composer() as c:
        return make(overrides, c)
