"""Creates RunSpecs from overrides, for measurements inside one process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch

from dropbench.config.compose import Composed, composer
from dropbench.data.base import Table
from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.planning.outline import outline
from dropbench.planning.sources import load
from dropbench.spec import RunSpec


def composed(overrides: Sequence[str]) -> Composed:
    """Return the configuration for overrides such as "data=digits"."""
    with composer() as c:
        return c.compose({told.partition("=")[0]: told for told in overrides})


def spec(overrides: Sequence[str]) -> RunSpec:
    """Return the run for these overrides."""
    return composed(overrides).spec


@cache
def table(*overrides: str) -> Table:
    """Return the data for these overrides, loaded once."""
    configured = composed(overrides)
    return load(configured.spec.data, configured.settings)


def cohort(specs: Sequence[RunSpec], data: Table) -> Training:
    """Build runs of one model on this data, ready to train together on the CPU."""
    return build(specs, outline(specs[0].model, data), data, torch.device("cpu"))
