"""Converts settings that are Python objects to overrides of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dropbench.config.paths import FILES, PATHS, path_setting
from dropbench.config.typed import setting
from dropbench.errors import UsageError

Override = str | Mapping[str, Any]
"""`"train.lr=0.01"`, or `{"train.lr": 0.01}`."""
_NODES = ("model", "dropout", "data", "train", "eval", "execute")
"""The keys that hold others: `{"train": {"lr": 0.01}}` is `{"train.lr": 0.01}`."""
Folders = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def words(overrides: Iterable[Override]) -> list[str]:
    """Return overrides as they are typed.

    In a mapping each value is one value, even if it is a list. A tuple or a `range` is several values to try, as
    `train.lr=0.01,0.1` and `seed=range(0,10)` on the command line. Seeds in a list or an array are several too, because no run
    has more than one. A mapping below a node, such as `train`, holds the node's keys.

    Raises
    ------
    UsageError
        For anything that is neither a string nor a mapping, for an array that may be one value or several, and for an object
        that cannot be written.
    """
    typed: list[str] = []
    for override in overrides:
        if isinstance(override, str):
            typed.append(override)
        elif isinstance(override, Mapping):
            for key, value in override.items():
                below = value if key in _NODES and isinstance(value, Mapping) else None
                pairs = (
                    [(str(key), value)] if below is None else [(f"{key}.{name}", one) for name, one in below.items()]
                )
                typed += [_word(name, one) for name, one in pairs]
        else:
            raise UsageError(
                f"{override!r} is not a setting: write 'train.lr=0.01' as on the command line, or {{'train.lr': 0.01}}"
            )
    return typed


def _word(key: str, value: Any) -> str:
    if isinstance(value, os.PathLike) or (key in PATHS and isinstance(value, str)):
        return path_setting(key, os.fspath(value)) if key in (*PATHS, *FILES) else setting(key, os.fspath(value))
    if isinstance(value, range) and value.step == 1 and len(value) > 1:
        return f"{key}=range({value.start},{value.stop})"
    if key == "seed" and (isinstance(value, list) or len(_shape(value)) == 1):
        value = tuple(value)
    if isinstance(value, range | tuple):
        if not value:
            raise UsageError(f"{key}: there is no value in {value!r}; give one or several")
        return f"{key}=" + ",".join(setting(key, _plain(key, v)).partition("=")[2] for v in value)
    if any(size != 1 for size in _shape(value)):
        raise UsageError(
            f"{key}: an array may be one value or several: write tuple(...) around it to try each of its values, or "
            "array.tolist() for a list that is one value"
        )
    return setting(key, _plain(key, value))


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of an array or tensor; () for anything else."""
    return tuple(getattr(value, "shape", ()))


def _plain(key: str, value: Any) -> Any:
    """Return numbers of NumPy and torch as Python's own. Raise UsageError for an object that cannot be written."""
    if isinstance(value, Mapping):
        return {str(k): _plain(key, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if isinstance(plain, float):
        # A value that was computed, such as 0.1 + 0.2, is the run of the value that is meant, 0.3.
        return float(f"{plain:.{7 if 'float32' in str(getattr(value, 'dtype', '')) else 15}g}")
    if plain is None or isinstance(plain, str | int | float):
        return plain
    hint = "; give a network's objects in a function, model=make, def make(num_classes): ..." if "model" in key else ""
    raise UsageError(
        f"{key}: a {type(value).__name__} cannot be written as a setting, only numbers, texts, lists and dicts{hint}"
    )
