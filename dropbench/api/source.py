"""The source of a class or function that is in no importable module. It identifies the code, as a file would."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

from dropbench.errors import UsageError

_PLAIN = (bool, int, float, str, bytes, tuple, type(None))
_HERE = "__main__"


def importable(found: Any) -> bool:
    """Return whether another process finds the same object by its import path."""
    module = sys.modules.get(str(getattr(found, "__module__", "")))
    if module is None or module.__name__ == _HERE or getattr(module, "__file__", None) is None:
        return False
    name = found.__qualname__
    return name.isidentifier() and getattr(module, name, None) is found


def source_of(found: Any) -> str:
    """Return the source of an object and of what it uses from the program: bases, other classes and functions, plain values.

    Raises
    ------
    UsageError
        If there is no source, as for code typed after `python -c`.
    """
    texts: dict[str, str] = {}
    # A script's class has the same source when another program imports it from there, where its helpers are importable too.
    from_file = importable(found)
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if (name := one.__qualname__) in texts:
            continue
        texts[name] = _text(one)
        for used, value in _named(one):
            if isinstance(value, type | FunctionType):
                if value.__module__ == found.__module__ and (from_file or not importable(value)):
                    waiting.append(value)
            elif isinstance(value, _PLAIN):
                texts.setdefault(f"{used} =", f"{used} = {value!r}")
    return "\n".join(texts[name] for name in sorted(texts)) + "\n"


def _named(found: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables from outside that an object's code names, with their values."""
    functions = list(_functions(found))
    if isinstance(found, type):
        yield from ((base.__name__, base) for base in found.__mro__[1:])
    for function in functions:
        around = dict(inspect.getclosurevars(function).nonlocals) | function.__globals__
        yield from ((name, around[name]) for name in _names(function.__code__) if name in around)


def _names(code: CodeType) -> Iterator[str]:
    yield from (*code.co_names, *code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _functions(found: Any) -> Iterator[FunctionType]:
    found = inspect.unwrap(found)
    if isinstance(found, FunctionType):
        yield found
        return
    for value in vars(found).values():
        inner = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(inner, FunctionType) and inner.__module__ == found.__module__:
            yield inspect.unwrap(inner)


def _text(found: Any) -> str:
    """Return an object's source: a class's is found by its methods, because a notebook keeps their lines and has no file."""
    for function in _functions(found):
        lines = linecache.getlines(function.__code__.co_filename)
        with_it = _within("".join(lines), function.__code__.co_firstlineno, found)
        if with_it is not None:
            return with_it
    with suppress(OSError, TypeError):  # a class without methods may still have a file
        return textwrap.dedent(inspect.getsource(found)).rstrip()
    raise UsageError(
        f"model={found.__name__}: its source code cannot be read, and dropbench identifies a model by its source code; define "
        "it in a file or in a notebook cell"
    )


def _within(text: str, line: int, found: Any) -> str | None:
    """Return the innermost definition of the object's name in a text that contains a line."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    best: ast.AST | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == found.__name__:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first <= line <= (node.end_lineno or 0):
                best = node
    if not isinstance(best, ast.ClassDef | ast.FunctionDef):
        return None
    first = min([best.lineno, *(d.lineno for d in best.decorator_list)])
    return textwrap.dedent("\n".join(text.split("\n")[first - 1 : best.end_lineno]))
