"""Finds the parameters without weight decay, by the names that a run gives."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

VECTORS = "vectors"
"""Stands for all parameters with one axis: biases, and scales and shifts of normalisation."""


def exempt(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    """Returns the names of parameters that match any of the patterns."""
    return {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
