"""RunSpecs from what one would type, for measurements inside one process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from dropbench.config.compose import Composed, composer
from dropbench.data.base import Table
from dropbench.planning.sources import load
from dropbench.spec import RunSpec


def composed(overrides: Sequence[str]) -> Composed:
    with composer() as c:
        return c.compose({told.partition("=")[0]: told for told in overrides})


def spec(overrides: Sequence[str]) -> RunSpec:
    return composed(overrides).spec


@cache
def table(*overrides: str) -> Table:
    found = composed(overrides)
    return load(found.spec.data, found.settings)
