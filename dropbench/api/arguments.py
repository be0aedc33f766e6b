"""Writes the error message for an argument that a function does not have, in place of Python's TypeError."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from dropbench.api.overrides import words
from dropbench.errors import UsageError, nearest

P = ParamSpec("P")
T = TypeVar("T")


def checked(settings: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator of a function that refuses unknown arguments in a sentence.

    Parameters
    ----------
    settings : str
        What the function takes by position and the user may have meant: `setting` or `filter`.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        names = [p.name for p in signature(function).parameters.values() if p.kind is not Parameter.VAR_POSITIONAL]

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for name, value in kwargs.items():
                if name not in names:
                    raise UsageError(_told(function.__name__, settings, name, value, names))
            return function(*args, **kwargs)

        return call

    return decorate


def _told(function: str, settings: str, name: str, value: Any, names: list[str]) -> str:
    """Return the sentence on an unknown argument: the setting that it may be, or the most similar argument."""
    said = f"db.{function} has no argument {name!r}"
    if (text := _setting(name, value)) is None:
        return f"{said}; {nearest(name, names)}"
    return f"{said}; a {settings} is a text, as on the command line: db.{function}({text!r}, ...)"


def _setting(name: str, value: Any) -> str | None:
    """Return a setting as typed, with its whole key: `train.epochs=3` for `epochs`; None if there is no such key."""
    from dropbench.config.options import keys_called

    for key in keys_called(name)[:1]:
        with suppress(UsageError):
            return words([{key: value}])[0]
    return None
