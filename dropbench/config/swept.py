"""Sweeps typed by mistake: `data.drop=a,b` for one list, `dropout.rate=0,3` for a decimal number, `dropout=none,0.3`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dropbench.config.several import OWN_RATES
from dropbench.errors import UsageError
from dropbench.values import number, written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

COUNTS = ("seeds", "n_seeds", "num_seeds", "runs", "n_runs", "num_runs", "repeats", "replicates")
"""Keys that there are not, and that people type for the number of seeds."""
_COMMA = re.compile(r"(\d+),(\d+)")
_NAMES_NONE = ("none", "null")


def check_sweeps(overrides: Sequence[Override], takes_list: Callable[[str], bool]) -> None:
    """Raises UsageError for a value that is a sweep by its grammar, and was meant otherwise.

    takes_list: returns whether the value of a key is a list.
    """
    for override in overrides:
        key, typed = override.key_or_group, str(override.input_line).partition("=")[2]
        if key in COUNTS:
            seeds = f"range(0,{typed})" if typed.isdecimal() else typed.strip("[]")
            raise UsageError(f"'{key}' is not a key here; {_to_type(f'seed={seeds}')}")
        if not (values := _bare(override)):
            continue
        if key == "dropout" and any(number(value) is not None for value in values):
            raise UsageError(
                f"dropout={typed}: dropout takes the names of variants, and rates go to dropout.rate; "
                f"{_to_type(*_rates(values))}"
            )
        if (comma := _COMMA.fullmatch(typed)) and re.match(r"0\d", comma[2]):  # no second value begins with a zero
            raise UsageError(f"{key}={typed}: a comma stands between two values; {_to_type(f'{key}={_joined(comma)}')}")
        # Loggers belong to no run, so that comparing lists of them is impossible: planning says so.
        if key != "train.loggers" and takes_list(key):
            lists = ",".join(f"[{one}]" for one in typed.split(","))
            raise UsageError(
                f"{key}={typed} would be a run for each value; for one list {_to_type(f'{key}=[{typed}]')}, "
                f"and to compare lists {shlex.quote(f'{key}={lists}')}"
            )


@contextmanager
def explaining_decimals(overrides: Sequence[str]) -> Iterator[None]:
    """Context manager that adds to an error about a value of a sweep such as `dropout.rate=0,3` that it may be a decimal."""
    try:
        yield
    except UsageError as error:
        for text in overrides:
            last = text.partition("=")[0].rpartition(".")[2]
            if f"{last}=" in str(error) and (hint := decimal(text)):
                raise UsageError(f"{error}{hint}") from error
        raise


def decimal(text: str) -> str:
    """Returns what to add to a message about a sweep if it may be a number with a decimal comma; else an empty text."""
    key, _, typed = text.partition("=")
    comma = _COMMA.fullmatch(typed)
    if comma is None or not (comma[1] == "0" or len(comma[2]) == 3):
        return ""
    return f"; if {typed} is one number, write {key}={_joined(comma)}" + (", with a point" if comma[1] == "0" else "")


def more_than_once(key: str, values: Sequence[str], listed: bool) -> str:
    """Returns a sentence on a key that is typed more than once. listed: whether its value is a list."""
    said = f"'{key}' is given more than once"
    joined = ",".join(values)
    if all(re.fullmatch(r"[\w.*]+:\S+", value) for value in values):  # some shells expand {a:1,b:2} to two words
        return f"{said}; {_to_type(f'{key}={{{joined}}}')}, with the quotes"
    if listed and "[" not in joined:
        return f"{said}; {_to_type(f'{key}=[{joined}]')}"
    return f"{said}; write several values as {key}=a,b"


_LISTS = re.compile(r"metric|dropout\.(?:\w+\.)?placement|data\.ids|model\.sites|train\.decay_exempt")
"""Keys whose value is a list although conf/ has no list there: null is their default, or names of a group."""


def holds_list(key: str, tree: Any) -> bool:
    """Returns whether the value of a key is a list. tree: the values of all keys as their files have them."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return isinstance(tree, list) or _LISTS.fullmatch(key) is not None


def first(override: Override) -> Any:
    """Returns the value of an override, or the first of a sweep; None if it is a pattern, or no option with a file."""
    value: Any = override.value()
    if override.is_sweep_override():
        each = getattr(value, "list", None) or [None]
        value = override._convert_value(each[0])
    return None if value == OWN_RATES else value


def _to_type(*words: str) -> str:
    return f"write {' '.join(map(shlex.quote, words))}"


def _bare(override: Override) -> list[Any]:
    """Returns the values of a sweep `a,b` if none of them is a list, a dict or null; else an empty list."""
    sweep: Any = override.value()
    if not getattr(sweep, "simple_form", False):
        return []
    values: list[Any] = [override._convert_value(one) for one in sweep.list]
    null_is_a_name = override.key_or_group == "dropout"
    bare = not any(isinstance(v, list | Mapping) or (v is None and not null_is_a_name) for v in values)
    return values if bare else []


def _rates(values: Sequence[Any]) -> list[str]:
    """Returns what to type for a sweep that mixes variants and rates."""
    rates = [written(value) for value in values if number(value) is not None]
    names = [written(value).lower() for value in values if number(value) is None]
    if all(name in _NAMES_NONE for name in names):
        return ["dropout.rate=" + ",".join([*("0" for _ in names), *rates])]
    return ["dropout=" + ",".join(names), "dropout.rate=" + ",".join(rates)]


def _joined(comma: re.Match[str]) -> str:
    """Returns the number that was typed with a comma: 0,05 is 0.05, and 1,024 is 1024."""
    return f"{comma[1]}.{comma[2]}" if comma[1] == "0" or len(comma[2]) != 3 else f"{comma[1]}{comma[2]}"
