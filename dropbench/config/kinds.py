"""Checks what a part is before it is called, because a file may name something else by mistake or on purpose."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from dropbench.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """The requirements for the parts of a group."""

    called: str
    takes: tuple[tuple[str, ...], ...]
    """The names of its positional arguments; several tuples if there are alternatives."""
    base: str | None = None
    """The import path of its base class; None: it is a function."""
    says: str | None = None
    """The attribute in which it must declare what data it takes."""


KINDS = {
    "model": Kind(
        "a subclass of torch.nn.Module, or a function that makes one,",
        (("shape", "n_classes"), ("replicas", "shape", "n_classes")),
        base="torch.nn.modules.module.Module",
        says="eats",
    ),
    "dropout": Kind("a subclass of dropbench.dropout.base.Variant", ((),), base="dropbench.dropout.base.Variant"),
    "dropout/schedule": Kind("a function", (("progress",),)),
    "regularizer": Kind(
        "a subclass of dropbench.regularizers.base.Regularizer",
        ((),),
        base="dropbench.regularizers.base.Regularizer",
    ),
    "data": Kind("a function", (("root", "download"),)),
    "metric": Kind("a function", (("logits", "targets"), ("network", "part"))),
}


def check_kind(group: str, target: str, part: Any) -> None:
    """Checks that an object can be a part of a group, without calling it.

    Parameters
    ----------
    group : str
        A key of `KINDS`.
    target : str
        Its import path.
    part : Any
        The object at that path.

    Raises
    ------
    UsageError
        If it is neither a class nor a function, has another base class, or takes other arguments. A function of an installed
        package must also have arguments of the same names, because otherwise it was written for something else.
    """
    kind = KINDS[group]
    hashable = callable(part) and getattr(part, "__hash__", None) is not None
    if fault := _fault(kind, part) if hashable else "cannot be used":
        takes = " or ".join(f"({', '.join(names)})" for names in kind.takes if names)
        given = f" that takes {takes} and keyword-only options" if takes else ""
        raise UsageError(f"_target_: {target} {fault}; a part of {group} must be {kind.called}{given}")


@cache
def _fault(kind: Kind, part: Any) -> str | None:
    of_a_class = kind.base is not None and inspect.isclass(part)
    if of_a_class and not any(f"{c.__module__}.{c.__qualname__}" == kind.base for c in part.__mro__):
        return f"is not a subclass of {kind.base}"
    if not of_a_class and (not inspect.isfunction(undecorated(part)) or (kind.base is not None and kind.says is None)):
        return "cannot be used"
    if kind.says is not None and not _names(getattr(part, kind.says, None)):
        return f'does not declare what data it takes, such as {kind.says} = ("flat",)'
    try:
        signature = inspect.signature(part)
    except (TypeError, ValueError):
        return "has no signature that Python can read"
    if not any(_fits(signature, names) for names in kind.takes):
        return f"takes {signature}"
    if kind.base is None and installed(part) and not any(_named(signature, names) for names in kind.takes):
        return f"takes {signature}; in an installed package, the arguments must also have the expected names"
    return None


def takes_network(metric: Any) -> bool:
    """Returns whether a metric is a probe, which takes a `network` instead of logits and is measured once per run."""
    return next(iter(inspect.signature(metric).parameters), "") == "network"


def undecorated(part: Any) -> Any:
    """Returns the function inside decorators and `functools.partial`; anything else is returned unchanged."""
    while True:
        inner = part.func if isinstance(part, partial) else getattr(part, "__wrapped__", part)
        if inner is part:
            return part
        part = inner


def _names(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)


def _by_place(signature: inspect.Signature) -> list[inspect.Parameter]:
    return [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _fits(signature: inspect.Signature, names: Sequence[str]) -> bool:
    """Returns whether a call with this number of positional arguments is valid."""
    known = _by_place(signature)
    needed = sum(p.default is p.empty for p in known)
    any_number = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    return needed <= len(names) and (any_number or len(names) <= len(known))


def _named(signature: inspect.Signature, names: Sequence[str]) -> bool:
    return [p.name for p in _by_place(signature)][: len(names)] == list(names)


def installed(part: Callable[..., Any]) -> bool:
    """Returns whether a part is defined in an installed package and not in a folder of the user."""
    name = getattr(undecorated(part), "__module__", None) or ""
    if name == "__main__":  # for example in a notebook, which has no file
        return False
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return file is None or not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
