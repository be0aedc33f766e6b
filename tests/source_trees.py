"""Reads source files without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def tree(file: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(file: Path, *, at_the_top: bool = False) -> Iterator[str]:
    """Yield every module that a file imports, and every name from a module, including under TYPE_CHECKING and in functions.

    With `at_the_top`, only imports by top-level statements.
    """
    for node in tree(file).body if at_the_top else ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
