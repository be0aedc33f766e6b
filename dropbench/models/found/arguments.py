"""The arguments of a network's class or function: those typed, the number of classes, and the sizes of an example.

Arguments are recognised by their usual names. The number of classes is always passed, since a default would fit other data.
The sizes of an example are passed only if they have no default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropbench.errors import UsageError, nearest

CLASSES = (
    "num_classes",
    "n_classes",
    "num_labels",
    "n_labels",
    "nb_classes",
    "nclasses",
    "classes",
    "num_outputs",
    "n_outputs",
    "out_features",
    "output_dim",
    "out_dim",
    "output_size",
    "n_out",
)
"""Usual names for the number of classes, the clearest first."""
_FEATURES = (
    "in_features",
    "input_dim",
    "in_dim",
    "input_size",
    "n_features",
    "num_features",
    "n_inputs",
    "num_inputs",
    "n_in",
)
_CHANNELS = ("in_channels", "in_chans", "channels", "num_channels", "n_channels", "input_channels")
_SIDE = ("img_size", "image_size")
_WORDS = (
    "vocab_size",
    "vocabulary_size",
    "num_embeddings",
    "n_tokens",
    "num_tokens",
    "ntoken",
    "n_vocab",
    "vocab",
    "n_words",
)
_STEPS = ("seq_len", "seq_length", "sequence_length", "max_len", "max_length", "n_steps", "num_steps", "steps")
_FACTORIES = {"timm": {"num_classes", "in_chans"}, "torchvision": {"num_classes"}}
"""Arguments that functions of these packages take by `**kwargs`."""


class Missing(UsageError):
    """A required argument is missing and cannot be derived from the data."""


def completed(
    make: Callable[..., Any], view: str, shape: Sequence[int], n_classes: int, typed: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns `typed` with the arguments added that follow from the data.

    Parameters
    ----------
    make : callable
        A class or function.
    view, shape
        The form and the shape in which the network receives one example.
    n_classes : int
        Number of classes.
    typed : mapping
        The keyword arguments that the user typed.

    Raises
    ------
    UsageError
        For an argument that it does not take; `Missing` if it needs another one.
    """
    given = dict(typed)
    asked = inspect.signature(make).parameters
    by_name = [n for n, p in asked.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    name = f"{make.__module__}.{make.__qualname__}"
    if not any(p.kind is p.VAR_KEYWORD for p in asked.values()):
        for key in (key for key in given if key not in by_name):
            takes = nearest(key, by_name) if by_name else "it takes no arguments"
            raise UsageError(f"model.args.{key}: {name} takes no such argument; {takes}")
    package = str(getattr(make, "__module__", "")).partition(".")[0]
    by_any_name = _FACTORIES.get(package, set()) if any(p.kind is p.VAR_KEYWORD for p in asked.values()) else set()
    known = [n for n in CLASSES if n in asked or n in by_any_name]
    if known and not any(name in given for name in known):
        given[known[0]] = n_classes
    if "in_chans" in by_any_name and "in_chans" not in given and view == "image":
        given["in_chans"] = shape[0]
    for names, value in _sizes(view, shape):
        missing = [n for n in names if n in asked and n not in given and asked[n].default is asked[n].empty]
        if len(missing) == 1:
            given[missing[0]] = value
    if lacking := [n for n in by_name if n not in given and asked[n].default is asked[n].empty]:
        typed_so = " ".join(f"model.args.{n}=..." for n in lacking)
        raise Missing(
            f"model=module: {name} needs {' and '.join(lacking)}, which the data (as {view} "
            f"{list(shape)}) do not determine: type {typed_so}, or name a function of yours that creates it"
        )
    return given


def _sizes(view: str, shape: Sequence[int]) -> list[tuple[tuple[str, ...], int]]:
    if view == "image":
        return [(_CHANNELS, shape[0]), *([(_SIDE, shape[1])] if shape[1] == shape[2] else [])]
    if view == "tokens":
        return [(_WORDS, shape[1]), (_STEPS, shape[0])]
    if view == "sequence":
        return [(_FEATURES, shape[1]), (_STEPS, shape[0])]
    return [(_FEATURES, shape[0])]


def untold(make: Callable[..., Any], given: Mapping[str, Any]) -> list[str]:
    """Returns the names of the arguments that could be typed and are not given."""
    return [
        name
        for name, p in inspect.signature(make).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and name not in given
    ]


def fixed_size(make: Callable[..., Any], view: str, shape: Sequence[int]) -> tuple[str, int] | None:
    """Returns the size of these examples and the usual argument for it; None if the network has an argument for it."""
    names, value = _sizes(view, shape)[0]
    return None if set(names) & set(inspect.signature(make).parameters) else (names[0], value)


def likely(make: Callable[..., Any], view: str, shape: Sequence[int], typed: Mapping[str, Any]) -> list[str]:
    """Returns settings that may be missing: sizes of these examples that differ from the defaults."""
    asked = inspect.signature(make).parameters
    return [
        f"model.args.{name}={value}"
        for names, value in _sizes(view, shape)
        for name in names
        if name in asked and name not in typed and isinstance(asked[name].default, int) and asked[name].default != value
    ]
