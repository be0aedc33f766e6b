"""The command line's grammar: Hydra's overrides, but for paths and for quotes around the keys of a dict."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dropbench.config.forbidden import refuse
from dropbench.config.options import GROUPS
from dropbench.config.paths import FILES, PATHS, names_file, plain_path
from dropbench.config.typed import quoted
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_DEEPEST = 20
"""How many brackets may be open at once; a configuration never has more than a few."""

_STRING = re.compile(r"""(?s)"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")


_COLUMNS = ("data.target", "data.group", "data.time", "data.weight")
"""Keys that name a column of a user's, whose heading may have any characters."""

_OPTION = re.compile(r"""[^][(){},'"]+""")
"""What may be the name of an option in a list or a sweep of them."""


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them, but for paths, which are read as they are.

    Raises
    ------
    UsageError
        For one that it cannot read, and for one that sets what the command line does not set: see `forbidden`.
    """
    parsed = [_override(line) for line in overrides]
    for override in parsed:
        refuse(override)
    return parsed


def _override(line: str) -> Override:
    if "=" not in line[1:] or line.startswith("~"):
        raise UsageError(f"'{line}' is not a setting; write key=value, such as dropout.rate=0.5 (or see --help)")
    key, _, typed = line.partition("=")
    if key.lstrip("+") in PATHS:
        plain_path(key.lstrip("+"), typed)
        return _as_it_is(line, key.lstrip("+"), typed)
    if names_file(key, typed):
        return _as_it_is(line, key, typed)
    if _depth(typed) > _DEEPEST:
        raise UsageError(f"{key}=... opens more than {_DEEPEST} brackets at once, and no setting is as deep")
    read, names = _with_bare_keys(line)
    try:
        override: Override = _parser().parse_override(read)
    except Exception as error:  # beside Hydra's own there is Python's on a number of ten thousand digits
        if key in (*_COLUMNS, *FILES) and not typed.startswith(("'", '"')):
            return _as_it_is(line, key, typed)
        # An option may be called like no word of the grammar, which is ASCII.
        if key not in GROUPS or (named := _between_quotes(key, typed)) is None:
            columns = "; names of columns with brackets in quotes, ['size [m]']" if key.startswith("data.") else ""
            raise UsageError(
                f"cannot read '{line}'; lists are [a,b], dicts {{a: 1}}, sweeps a,b or range(0,10), "
                f"and quotes keep the shell away from brackets{columns}"
            ) from error
        override = named
    override.input_line = line
    override._value = _named(override._value, names)
    if _nests(override._value):
        raise UsageError(
            f"{line}: a sweep such as range() cannot stand inside another value; write its values one by one"
        )
    return override


@cache
def _parser() -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create()


def _between_quotes(key: str, typed: str) -> Override | None:
    """The same with each name in it as a text, if it can be read so."""
    try:
        read: Override = _parser().parse_override(f"{key}={_OPTION.sub(lambda m: quoted(m[0].strip()), typed)}")
    except Exception:  # as above
        return None
    return read


def _as_it_is(line: str, key: str, typed: str) -> Override:
    """An override whose value is what was typed, in which nothing means anything."""
    from hydra.core.override_parser.types import Override, OverrideType, Quote, QuotedString, ValueType

    value = QuotedString(typed, Quote.double)
    return Override(OverrideType.CHANGE, key, ValueType.ELEMENT, value, input_line=line)


def _depth(typed: str) -> int:
    opened = (1 if c in "([{" else -1 if c in ")]}" else 0 for c in typed)
    return max(itertools.accumulate(opened), default=0)


def _with_bare_keys(line: str) -> tuple[str, dict[str, str]]:
    """The line with a name in place of each quoted key of a dict, and the keys by those names.

    Hydra's grammar takes no quotes there, which is where people and shells put them ({"*": 0.5}), and few characters without.
    """
    prefix = "key"
    while prefix in line:
        prefix += "_"
    names: dict[str, str] = {}
    pieces, end = [], 0
    for string in _STRING.finditer(line):
        if line[: string.start()].rstrip()[-1:] in ("{", ",") and line[string.end() :].lstrip().startswith(":"):
            name = f"{prefix}{len(names)}"
            names[name] = _parser().parse_override(f"a={string[0]}").value()
            pieces += [line[end : string.start()], name]
            end = string.end()
    return "".join([*pieces, line[end:]]), names


def _named(value: Any, names: Mapping[str, str]) -> Any:
    """The value with the keys that were replaced by names."""
    if isinstance(value, dict):
        return {names.get(k, k) if isinstance(k, str) else k: _named(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_named(v, names) for v in value]
    if hasattr(value, "simple_form"):  # the values of a sweep
        value.list = [_named(v, names) for v in value.list]
    return value


def _nests(value: Any) -> bool:
    """Whether there is a sweep inside of a list, a dict or another sweep."""
    from hydra.core.override_parser.types import Glob, Sweep

    return any(isinstance(one, Sweep | Glob) or _nests(one) for one in _inside(value))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else value.list if hasattr(value, "simple_form") else ()
