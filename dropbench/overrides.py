"""The command line's grammar: Hydra's overrides, and what a sweep of them expands to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# Hydra's grammar takes no quotes around the keys of a dict, which is where people and shells put them: {"*": 0.5}.
_QUOTED_KEY = re.compile(r"""([{,]\s*)(["'])([^"'{}:,]+)\2(\s*:)""")


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them. Raises UsageError for one that it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        if "=" not in text or text.startswith("~"):
            raise UsageError(f"'{text}' sets nothing; write key=value, such as dropout.rate=0.5 (or see --help)")
        try:
            override = parser.parse_override(_QUOTED_KEY.sub(r"\1\3\4", text))
        except HydraException as error:
            raise UsageError(
                f"cannot read '{text}'; lists are [a,b], dicts {{a: 1}}, sweeps a,b or range(0,10), "
                "and quotes keep the shell away from brackets"
            ) from error
        parsed.append(override)
    return parsed


def expand(overrides: Sequence[Override], options: Callable[[str], list[str]]) -> list[dict[str, str]]:
    """Every point of the grid, as override strings by key, in order: the last sweep varies fastest.

    `options(group)` names what a glob chooses from.
    """
    axes = []
    for override in overrides:
        key = override.get_key_element()
        axes.append([(key, f"{key}={value}") for value in _values(override, options)])
    return [dict(point) for point in itertools.product(*axes)]


def swept(override: Override) -> bool:
    return bool(override.is_sweep_override())


def _values(override: Override, options: Callable[[str], list[str]]) -> list[str]:
    from hydra.core.override_parser.types import Glob

    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    value = override.value()
    if isinstance(value, Glob):
        names = value.filter(options(override.key_or_group))
        if not names:
            raise UsageError(f"{override.input_line}: no option of '{override.key_or_group}' fits")
        return list(names)
    if override.is_interval_sweep():
        raise UsageError(
            f"{override.input_line}: an interval has no list of values; use range(start,stop,step) or choice()"
        )
    return list(override.sweep_string_iterator())
