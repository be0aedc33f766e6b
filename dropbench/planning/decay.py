"""The parameters on which no weight decay acts, by the names that a run gives."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

VECTORS = "vectors"
"""Stands for all parameters with one axis: biases, and scales and shifts of normalisation."""


def exempt(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    """The names of parameters that any of the patterns fits."""
    return {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
