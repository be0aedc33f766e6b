"""Values as one types them: in the grammar of the command line, and for the shell."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from dropbench.errors import UsageError

_PLAIN = re.compile(r"[-*/.]{0,2}[A-Za-z_][\w.*/-]*|\*", re.ASCII)
"""Words that Hydra's grammar reads as themselves, but for those below."""
_WORDS = {"null", "true", "false", "inf", "nan"}


def command(*words: str) -> str:
    """A command of dropbench as one line for a shell, which reads each of the words as it is.

    Raises
    ------
    UsageError
        Where a word holds a control character, which no terminal shows and not every shell takes.
    """
    for word in words:
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in word):
            raise UsageError(f"{word!r} holds characters that cannot be typed, so no command can be shown for it")
    return shlex.join(["dropbench", *words])


def setting(key: str, value: Any) -> str:
    """`key=value` for a value of a configuration, whatever characters are in it: the command line reads the same value."""
    return f"{key}={_typed(_literal(value))}"


def text(value: Any) -> str:
    """A value that was parsed, with its interpolations, as text that is parsed to the same value."""
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
    """The same to be read by people: names of sites are between quotes, since they may be patterns."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_name(k)}: {_typed(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + (", " if any(isinstance(v, str) for v in value) else ",").join(map(_name, value)) + "]"
    return text(value)


def _name(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else _typed(value)


def quoted(word: str) -> str:
    """A text between quotes, as Hydra's grammar has it: what is before a quote counts as escaped by backslashes."""
    escaped = re.sub(r'(\\*)("|\Z)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), word)
    return f'"{escaped}"'


def _word(word: str) -> str:
    plain = _PLAIN.fullmatch(word) and word.lstrip("-").lower() not in _WORDS
    return word if plain else quoted(word)


def _literal(value: Any) -> Any:
    """The value with each `${` escaped, which would open an interpolation."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", value)
    if isinstance(value, Mapping):
        return {k: _literal(v) for k, v in value.items()}  # a key is no place for an interpolation
    if isinstance(value, list | tuple):
        return [_literal(v) for v in value]
    return value


def words_of(option: str, values: Iterable[Any]) -> list[str]:
    """An option that may be given several times: `--conf a --conf b`."""
    return [word for value in values for word in (option, str(value))]
