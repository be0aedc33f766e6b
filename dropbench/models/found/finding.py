"""Finds the sites of a module by trial forward passes with two and with three examples, in the order of first call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dropbench.models.found.current import Current, Heard
from dropbench.models.found.imitated import imitated
from dropbench.models.found.outputs import heads, single
from dropbench.models.found.parts import set_again
from dropbench.models.found.place import Place, place
from dropbench.sites import Kind, Site

_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool2d,
)
_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)
_CHANNELS = ("out_channels", "out_features", "num_features", "num_channels", "embedding_dim")
"""The names that layers use for their number of channels."""
_READS = (nn.Linear, nn.Conv1d, nn.Conv2d)
_FUNCTIONS = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.GELU: "gelu",
    nn.SELU: "selu",
    nn.Sigmoid: "sigmoid",
    nn.LeakyReLU: "leaky_relu",
}
Forward = Callable[[nn.Module, Tensor], Any]


@dataclass(frozen=True)
class Found:
    """The results of trial passes.

    places: the places of a module's sites by submodule and call. idle: submodules with their own rate that were never called.
    parts: submodules that were called and output a tensor, or several of which the first is one. single, heads: the name of an
    output of the module that is a single number, and of those beside the logits that have their shape; training uses neither.
    """

    places: dict[tuple[str, int], Place]
    idle: tuple[str, ...]
    parts: tuple[str, ...]
    single: str | None
    heads: tuple[str, ...]


def find(
    net: nn.Module, current: Current, forward: Forward, examples: Tensor, dropping: Sequence[str], prefix: str
) -> Found:
    """Finds the places at which noise acts in the submodules that `take_over` took.

    Parameters
    ----------
    net : nn.Module
        The module. Only a copy of it is called, in training mode.
    current : Current
        The object that its taken submodules share.
    forward : callable
        Calls the module on examples.
    examples : Tensor
        Three examples.
    dropping : sequence of str
        The submodules that had their own rate.
    prefix : str
        The prefix of its parameters' names in the model that holds it.
    """
    heard, readers, parts, again, outputs = zip(
        *(_dry(net, current, forward, examples[:n]) for n in (2, 3)), strict=True
    )
    calls = {(h.by.name, h.call): h for h in heard[1]}
    places: dict[tuple[str, int], Place] = {}
    for two in heard[0]:
        key = (two.by.name, two.call)
        if (three := calls.get(key)) is None:
            continue
        kind: Kind = "attention" if two.by.kind == "activation" and two.probabilities else two.by.kind
        found = place(
            two.by.name if two.call == 1 else f"{two.by.name}@{two.call}",
            kind,
            two.shape,
            three.shape,
            channels_first=two.channels_first,
            own=two.by.own,
            reader=f"{prefix}{reader}" if (reader := readers[0].get(key)) and kind == "activation" else None,
            follows=two.follows,
        )
        if found is not None:
            known = two.by.name not in again[0] | again[1]
            site = replace(found.site, own_variant=imitated(two.by, len(two.shape), found) if known else None)
            places[key] = replace(found, site=site)
    placed = {name for name, _ in places}
    idle = tuple(name for name in dropping if name not in placed)
    called = tuple(name for name, _ in net.named_modules() if name in parts[0])
    return Found(_in_depth(places), idle, called, single(outputs[0]), heads(outputs[0]))


def copied(net: nn.Module, current: Current) -> tuple[nn.Module, Current]:
    """Returns copies of a module and of the object that its taken submodules share: a call may change a module's state.

    `deepcopy` refuses a tensor that was computed from others, such as the weight of `torch.nn.utils.weight_norm`; the copy
    holds its numbers.
    """
    kept = (t for part in net.modules() for t in vars(part).values() if isinstance(t, Tensor) and not t.is_leaf)
    return copy.deepcopy((net, current), {id(t): t.detach() for t in kept})


def _dry(
    net: nn.Module, current: Current, forward: Forward, x: Tensor
) -> tuple[list[Heard], dict[tuple[str, int], str], set[str], set[str], Any]:
    """Tries one forward pass.

    Returns the calls of taken submodules, for each call whose output only one layer reads that layer's weights, the names of
    all submodules that output a tensor, those of taken submodules whose rate it set, and the module's output.
    """
    module, its = copied(net, current)
    heard: list[Heard] = []
    made: dict[int, str] = {}
    its.heard, its.made, its.examples = heard, made, len(x)
    its.words = None if x.is_floating_point() else x
    reads: dict[tuple[str, int], list[str]] = {}
    alive: list[Tensor] = []

    def before(name: str, given: tuple[Any, ...]) -> None:
        source = next((h for h in heard if given and h.given is given[0]), None)
        if source is not None:
            reads.setdefault((source.by.name, source.call), []).append(f"{name}.weight")

    gave: set[str] = set()

    def after(name: str, part: nn.Module, out: Any) -> None:
        first = out[0] if type(out) in (tuple, list) and out else out
        if name and isinstance(first, Tensor):
            gave.add(name)
        if isinstance(part, _FIRST) and isinstance(out, Tensor):
            its.channels_first = (
                out.ndim
            )  # a tensor that is reshaped later, such as patches, has another number of axes
        elif isinstance(part, _LAST):
            its.channels_first = None
        its.channels = next(
            (getattr(part, name) for name in _CHANNELS if isinstance(getattr(part, name, None), int)), its.channels
        )
        if (function := _FUNCTIONS.get(type(part))) and isinstance(out, Tensor):
            alive.append(out)
            made[id(out)] = function

    with torch.no_grad(), _hooked(module, before, after), its.of(None):
        output = forward(module.train(), x)
    only = {key: names[0] for key, names in reads.items() if len(names) == 1}
    return heard, only, gave, set_again(module), output


@contextmanager
def _hooked(
    module: nn.Module, before: Callable[[str, tuple[Any, ...]], None], after: Callable[[str, nn.Module, Any], None]
) -> Iterator[None]:
    hooks = []
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        if isinstance(part, _READS):
            hooks.append(part.register_forward_pre_hook(lambda _, given, name=name: before(name, given)))
        hooks.append(part.register_forward_hook(lambda part, _, out, name=name: after(name, part, out)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _in_depth(places: dict[tuple[str, int], Place]) -> dict[tuple[str, int], Place]:
    """Adds the depth of each branch, which stochastic depth uses for its decay."""
    branches = [key for key, at in places.items() if at.site.kind == "branch"]
    for i, key in enumerate(branches):
        at = places[key]
        places[key] = Place(_deep(at.site, (i + 1) / len(branches)), at.batch, at.merged, at.order)
    return places


def _deep(site: Site, depth: float) -> Site:
    return replace(site, depth=depth)
