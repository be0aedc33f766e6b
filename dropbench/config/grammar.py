"""The grammar of the command line: Hydra's overrides, except for paths and for quotes around the keys of a dict."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dropbench.config.forbidden import refuse
from dropbench.config.mistyped import check_blanks, told
from dropbench.config.options import GROUPS
from dropbench.config.paths import FILES, PATHS, names_file, plain_path
from dropbench.config.typed import quoted
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_DEEPEST = 20
"""The largest number of brackets open at once; a configuration never needs more than a few."""

_STRING = re.compile(r"""(?s)"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")


_COLUMNS = ("data.target", "data.group", "data.time", "data.weight")
"""Keys whose value is a column of the user's table, whose name may contain any characters."""

_OPTION = re.compile(r"""[^][(){},'"]+""")
"""The characters of an option's name in a list or a sweep of options."""


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parses overrides like Hydra, except that paths are taken literally.

    Raises
    ------
    UsageError
        For an override that cannot be parsed, and for one that sets what the command line may not set: see `forbidden`.
    """
    check_blanks(overrides)
    parsed = [_override(line) for line in overrides]
    for override in parsed:
        refuse(override)
    return parsed


def _override(line: str) -> Override:
    if "=" not in line[1:] or line.startswith("~"):
        raise UsageError(told(line))
    key, _, typed = line.partition("=")
    if key.lstrip("+") in PATHS:
        plain_path(key.lstrip("+"), typed)
        return _as_it_is(line, key.lstrip("+"), typed)
    if names_file(key, typed):
        return _as_it_is(line, key, typed)
    if _depth(typed) > _DEEPEST:
        raise UsageError(f"{key}=... nests more than {_DEEPEST} brackets, which no setting needs")
    read, names = _with_bare_keys(line)
    try:
        override: Override = _parser().parse_override(read)
    except Exception as error:  # Hydra's own errors, and Python's for a number of ten thousand digits
        if key in (*_COLUMNS, *FILES) and not typed.startswith(("'", '"')):
            return _as_it_is(line, key, typed)
        # The grammar only has ASCII words, but the name of an option may have any characters.
        if key not in GROUPS or (named := _between_quotes(key, typed)) is None:
            columns = "; quote names of columns that contain brackets, ['size [m]']" if key.startswith("data.") else ""
            raise UsageError(
                f"cannot read '{line}'; write lists as [a,b], dicts as {{a: 1}}, sweeps as a,b or range(0,10), "
                f"and put a setting with brackets in quotes for the shell{columns}"
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
    """Parses the override with each name in it put between quotes; returns None if that fails."""
    try:
        read: Override = _parser().parse_override(f"{key}={_OPTION.sub(lambda m: quoted(m[0].strip()), typed)}")
    except Exception:  # as above
        return None
    return read


def _as_it_is(line: str, key: str, typed: str) -> Override:
    """Returns an override whose value is the typed text, taken literally."""
    from hydra.core.override_parser.types import Override, OverrideType, Quote, QuotedString, ValueType

    value = QuotedString(typed, Quote.double)
    return Override(OverrideType.CHANGE, key, ValueType.ELEMENT, value, input_line=line)


def _depth(typed: str) -> int:
    opened = (1 if c in "([{" else -1 if c in ")]}" else 0 for c in typed)
    return max(itertools.accumulate(opened), default=0)


def _with_bare_keys(line: str) -> tuple[str, dict[str, str]]:
    """Replaces each quoted key of a dict by a name; returns the line and the keys by those names.

    Hydra's grammar allows no quotes around keys, where people and shells put them ({"*": 0.5}), and only few characters in
    unquoted keys.
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
    """Returns the value with the original keys in place of the names that replaced them."""
    if isinstance(value, dict):
        return {names.get(k, k) if isinstance(k, str) else k: _named(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_named(v, names) for v in value]
    if hasattr(value, "simple_form"):  # the values of a sweep
        value.list = [_named(v, names) for v in value.list]
    return value


def _nests(value: Any) -> bool:
    """Returns whether there is a sweep inside a list, a dict or another sweep."""
    from hydra.core.override_parser.types import Glob, Sweep

    return any(isinstance(one, Sweep | Glob) or _nests(one) for one in _inside(value))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else value.list if hasattr(value, "simple_form") else ()
