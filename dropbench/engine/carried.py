"""State that a model carries from batch to batch outside parameters and buffers, such as a language model's hidden state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from dropbench.engine.user_module import Ordinary

_OWN = frozenset(vars(nn.Module()))
"""The attributes that torch gives every module."""


def carried(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the state held in attributes by those modules of a model that have a method `begin`.

    Returns
    -------
    tensors : dict
        References to the tensors in these attributes, by name, [K, ...] each.
    forms : dict
        For each attribute, the nesting of its tensors and plain values in lists, tuples and dictionaries, as JSON-compatible
        values. An attribute that holds anything else is left out.
    """
    tensors: dict[str, Tensor] = {}
    forms: dict[str, Any] = {}
    for name, part, stacked in _parts(model):
        for key, value in vars(part).items():
            inside: dict[str, Tensor] = {}
            form = None if key in _OWN else _form(value, f"{name}:{key}", inside)
            if form is not None:
                forms[f"{name}:{key}"] = form
                tensors |= inside if stacked else {at: t[None] for at, t in inside.items()}
    return tensors, forms


def carry(model: nn.Module, tensors: Mapping[str, Tensor], forms: Mapping[str, Any]) -> None:
    """Sets the state that `carried` returned on a model with the same number of replicas."""
    for name, part, stacked in _parts(model):
        for key in [k for k in vars(part) if f"{name}:{k}" in forms]:
            setattr(part, key, _filled(forms[f"{name}:{key}"], tensors, stacked))


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Yields the modules that carry state, with their names and whether their tensors have a replica axis."""
    for name, module in model.named_modules():
        if isinstance(module, Ordinary):
            inner = module.lent
            yield from ((f"{name}/{n}", m, False) for n, m in inner.named_modules() if _begins(m))
        elif _begins(module):
            yield name, module, True


def _begins(module: nn.Module) -> bool:
    return callable(getattr(module, "begin", None))


def _form(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Returns the nesting of a value and puts its tensors into `tensors`; None if it holds anything that has no such form."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach()
        return {"tensor": name}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    if type(value) in (list, tuple):
        several = [_form(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
        return None if None in several else {type(value).__name__: several}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        by_key = {key: _form(v, f"{name}.{key}", tensors) for key, v in value.items()}
        return None if None in by_key.values() else {"dict": by_key}
    return None


def _filled(form: Mapping[str, Any], tensors: Mapping[str, Tensor], stacked: bool) -> Any:
    ((kind, held),) = form.items()
    if kind == "tensor":
        return tensors[held] if stacked else tensors[held][0]
    if kind == "value":
        return held
    if kind == "dict":
        return {key: _filled(f, tensors, stacked) for key, f in held.items()}
    several = [_filled(f, tensors, stacked) for f in held]
    return several if kind == "list" else tuple(several)
