"""Converts pydantic's errors to sentences with the names of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dropbench.config.regularizers import meant
from dropbench.errors import UsageError, nearest
from dropbench.settings import OF_TRAIN, ExecuteSpec
from dropbench.spec import Augment, DataSpec, DropoutSpec, EvalSpec, Frozen, TrainSpec
from dropbench.values import written

_COMPLAINTS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number with fewer digits",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a word",
    "path_type": "a folder",
    "list_type": "a list, such as [a,b]",
    "tuple_type": "a list, such as [a,b]",
    "dict_type": "a dict, such as {{a: 1}}",
    "model_type": "a dict, such as {{a: 1}}",
    "model_attributes_type": "a dict, such as {{a: 1}}",
    "literal_error": "{expected}",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "points such as 0.2pp, a percentage such as 1%, or a number",
    "too_short": "of length {min_length} or more",
    "too_long": "of length {max_length} or less",
    "value_error": "{error}",
}
"""What a value must be, by pydantic's type of error."""


_BESIDE = [("data", "root"), ("data", "download"), *(("train", key) for key in OF_TRAIN), ("eval", "keep")]
"""(group, key) of settings that are not part of a run but say how it is carried out."""


def invalid(
    group: str, error: Any, fields: list[str] | None = None, variants: Sequence[str] = ("dropout",)
) -> UsageError:
    """Returns the first of pydantic's errors as a sentence. variants: the key of each of an arm's variants."""
    # An unknown key comes first, because it explains why another key is missing.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    key = _key(group, first["loc"], variants)
    if first["type"] == "extra_forbidden":
        owners: dict[str, type[Frozen]] = {
            "dropout": DropoutSpec,
            "data": DataSpec,
            "train": TrainSpec,
            "train.augment": Augment,
            "execute": ExecuteSpec,
            "eval": EvalSpec,
        }
        if hint := meant(key, written(first["input"]), (), ()):
            return UsageError(f"'{key}' is not a key here; {hint}")
        parent = key.rpartition(".")[0]
        owner = owners.get("dropout" if re.fullmatch(r"dropout\.(?!schedule$)[^.]+", parent) else parent)
        own = set(owner.model_fields) - {"name", "target", "version", "options"} if owner else set()
        own |= {key for group, key in _BESIDE if group == parent}
        return UsageError(
            f"'{key}' is not a key here; {nearest(key, [f'{parent}.{k}' for k in (*own, *(fields or ()))])}"
        )
    if first["type"] == "missing":
        return UsageError(_missing(key))
    # A union gives one error for each of its branches.
    same = [e for e in error.errors() if _key(group, e["loc"], variants) == key]
    needs = [_COMPLAINTS[e["type"]].format(**_round(e.get("ctx", {}))) for e in same if e["type"] in _COMPLAINTS]
    said = f"{key}={written(first['input'])}: it must be {' or '.join(needs) or first['msg']}"
    return UsageError(said + _instead(key, first["type"], first["input"], first.get("ctx", {})))


def _instead(key: str, kind: str, value: Any, limits: Mapping[str, Any]) -> str:
    """Returns what to write for a share in percent, a list with or without brackets, or a range; else an empty text."""
    if kind in ("less_than", "less_than_equal") and limits.get("lt", limits.get("le")) == 1 and value in range(5, 100):
        return f"; did you mean {value / 100:g}?"
    if kind in ("list_type", "tuple_type") and isinstance(value, str | int | float):
        return f"; write [{written(value)}]"
    if kind in ("float_type", "int_type") and isinstance(value, list) and value:
        return f"; to compare several values, write {key}={','.join(map(written, value))}"
    if key == "seed" and (ends := re.fullmatch(r"(\d+)(?:-|\.\.|:)(\d+)", str(value).strip('"'))):
        return f"; write '{key}=range({ends[1]},{int(ends[2]) + 1})'"
    return ""


def _missing(key: str) -> str:
    """Returns a sentence on a key that only a file of the user's own can lack."""
    group, _, last = key.partition(".")
    where = f"in the file that {group}= chooses"
    if last in ("name", "_target_"):  # these cannot be typed
        return f"{key} has no value; write {last}: ... {where}"
    whole = "; with defaults: [default] at its top it has all other values" if group == "train" else ""
    return f"{key} has no value; give it one: {key}=..., or {last}: ... {where}{whole}"


def _round(context: Mapping[str, Any]) -> dict[str, Any]:
    """Writes whole numbers without a decimal point: 1.0 as 1."""
    return {k: int(v) if isinstance(v, float) and v == int(v) else v for k, v in context.items()}


def _key(group: str, location: Sequence[Any], variants: Sequence[str]) -> str:
    """Returns the configuration's key for the location of an error in a spec."""
    if len(location) > 1 and location[0] == "dropout" and isinstance(location[1], int):
        location = [variants[location[1]], *location[2:]]
    # Besides keys, a location contains the branch of a union that was tried, such as `constrained-int`.
    parts = [str(p) for p in location if re.fullmatch(r"[\w.*]+", str(p)) and p != "options"]
    return ".".join([group, *parts] if group else parts)
