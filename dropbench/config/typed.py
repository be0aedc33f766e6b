"""Writes values in the grammar of the command line, and commands for a shell."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from dropbench.errors import UsageError

_PLAIN = re.compile(r"[-*/.]{0,2}[A-Za-z_][\w.*/-]*|\*", re.ASCII)
"""Words that Hydra's grammar reads literally, except for those in `_WORDS`."""
_WORDS = {"null", "true", "false", "inf", "nan"}


def command(*words: str) -> str:
    """Returns a dropbench command as one line for a shell, quoted so that the shell reads each word literally.

    Raises
    ------
    UsageError
        If a word contains a control character, which no terminal shows and not every shell accepts.
    """
    for word in words:
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in word):
            raise UsageError(f"{word!r} holds characters that cannot be typed, so no command can be shown for it")
    return shlex.join(["dropbench", *words])


def setting(key: str, value: Any) -> str:
    """Returns `key=value` for a value with any characters, such that the command line reads the same value."""
    return f"{key}={_typed(_literal(value))}"


def text(value: Any) -> str:
    """Returns a parsed value as text that is parsed to the same value; interpolations are kept."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{text(k)}:{text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(text(v) for v in value) + "]"
    return _word(value) if isinstance(value, str) else str(value)


def _typed(value: Any) -> str:
    """Returns the same text with spaces for readers, and with quotes around keys and listed words, which may be patterns."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_name(k)}: {_typed(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + (", " if any(isinstance(v, str) for v in value) else ",").join(map(_name, value)) + "]"
    return text(value)


def _name(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else _typed(value)


def quoted(word: str) -> str:
    """Returns a text between quotes for Hydra's grammar; a quote in it, and backslashes before a quote, are escaped."""
    escaped = re.sub(r'(\\*)("|\Z)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), word)
    return f'"{escaped}"'


def _word(word: str) -> str:
    plain = _PLAIN.fullmatch(word) and word.lstrip("-").lower() not in _WORDS
    return word if plain else quoted(word)


def _literal(value: Any) -> Any:
    """Returns the value with each `${` escaped, because it would begin an interpolation."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", value)
    if isinstance(value, Mapping):
        return {k: _literal(v) for k, v in value.items()}  # keys cannot contain interpolations
    if isinstance(value, list | tuple):
        return [_literal(v) for v in value]
    return value


def words_of(option: str, values: Iterable[Any]) -> list[str]:
    """Returns the words of an option that is given once for each value: `--conf a --conf b`."""
    return [word for value in values for word in (option, str(value))]
