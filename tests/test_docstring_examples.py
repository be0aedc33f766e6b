"""Doctests: the examples in docstrings of all modules of the package have the results that they show."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dropbench"
MODULES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in sorted(PACKAGE.rglob("*.py"))
    if "\n    >>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str) -> None:
    done = doctest.testmod(import_module(name))
    assert done.attempted and not done.failed


def test_there_are_some() -> None:
    assert "dropbench.seeds" in MODULES
