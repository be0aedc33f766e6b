"""The command line's grammar: Hydra's overrides, and what a sweep of them expands to."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override, RangeSweep

# Hydra's grammar takes no quotes around the keys of a dict, which is where people and shells put them: {"*": 0.5}.
_QUOTED_KEY = re.compile(r"""([{,]\s*)(["'])([^"'{}:,]+)\2(\s*:)""")


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them. Raises UsageError for one that it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        if "=" not in text[1:] or text.startswith("~"):
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
    """Whether it gives several values."""
    return bool(override.is_sweep_override())


def quoted(override: str) -> str:
    """An override as the shell has to see it."""
    return f"'{override}'" if any(c in override for c in '()[]{}*" ') else override


def _values(override: Override, options: Callable[[str], list[str]]) -> list[str]:
    from hydra.core.override_parser.types import Glob, RangeSweep

    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    value = override.value()
    if isinstance(value, Glob):
        known = options(override.key_or_group)
        if not known:
            raise UsageError(f"{override.input_line}: a glob chooses among the options of a group, such as model")
        names = value.filter(known)
        if not names:
            raise UsageError(
                f"{override.input_line}: no option of '{override.key_or_group}' fits; valid: {', '.join(known)}"
            )
        return list(names)
    if override.is_interval_sweep():
        raise UsageError(
            f"{override.input_line}: an interval has no list of values; use range(start,stop,step) or choice()"
        )
    values = _steps(value) if isinstance(value, RangeSweep) else list(override.sweep_string_iterator())
    if not values:
        raise UsageError(f"{override.input_line}: there is no value in it; range(0,10) is 0 to 9")
    return values


def _steps(sweep: RangeSweep) -> list[str]:
    """The values of a range in decimal: Hydra adds in binary, where a step of 0.1 leads to 0.30000000000000004."""
    start, stop, step = (Decimal(str(n)) for n in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step else 0
    kind = float if any(isinstance(n, float) for n in (sweep.start, sweep.stop, sweep.step)) else int
    return [str(kind(start + i * step)) for i in range(count)]
