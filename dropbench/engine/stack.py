"""A stack of K models: built from a spec, initialised from each replica's own seed, narrowed when replicas finish."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from hydra.utils import get_object
from torch import Tensor, nn

from dropbench.data.base import Graph
from dropbench.engine import own_noise
from dropbench.engine.streams import StackedDraws
from dropbench.engine.user_module import Plain, own_stack
from dropbench.engine.vmap_check import unstacked
from dropbench.engine.vmapped import Vmapped
from dropbench.planning.outline import Outline
from dropbench.spec import Component, TrainSpec


def build(
    model: Component,
    outline: Outline,
    seeds: Sequence[int],
    device: torch.device,
    train: TrainSpec,
    graph: Graph | None = None,
) -> nn.Module:
    """Returns K = len(seeds) stacked models with weights drawn from each seed's `init` stream.

    A graph is passed to the model's `attach`. A model without a replica axis is stacked by `Vmapped` if `vmap_check.unstacked`
    finds no reason against it. Otherwise K must be 1 and the model is wrapped in `Plain`.
    """
    if not outline.stacked:
        stack = _of_ordinary(model, outline, seeds, device, train, graph)
    elif outline.own_noise and len(seeds) > 1:
        raise ValueError(f"{model.target} trains one run at a time, not {len(seeds)}: {own_noise.ALONE}")
    else:
        stack = _of_layers(model, outline, seeds, device, graph)
    if outline.own_noise:
        own_noise.follow(stack, seeds[0], device)
    return stack


def _of_layers(
    model: Component, outline: Outline, seeds: Sequence[int], device: torch.device, graph: Graph | None
) -> nn.Module:
    cls = get_object(model.target)

    def construct(replicas: int) -> nn.Module:
        with torch.device(device):
            made: nn.Module = cls(replicas, outline.shape, outline.n_classes, **model.options)
        return made

    ours = cls.__module__.startswith("dropbench.")
    stack = construct(len(seeds)) if ours else own_stack(construct, seeds, device)
    draw = StackedDraws(seeds, "init", device)
    for layer in stack.modules():
        reset = getattr(layer, "reset", None)
        if callable(reset):
            reset(draw)
    if graph is not None:
        stack.attach(graph, device)  # type: ignore[operator]
    return stack


def _of_ordinary(
    model: Component,
    outline: Outline,
    seeds: Sequence[int],
    device: torch.device,
    train: TrainSpec,
    graph: Graph | None,
) -> nn.Module:
    def construct() -> nn.Module:
        module: nn.Module = get_object(model.target)(outline.shape, outline.n_classes, **model.options)
        if graph is not None:
            module.attach(graph, device)  # type: ignore[operator]
        return module

    if (reason := unstacked(model, outline, train, str(device))) is None:
        return Vmapped(construct, seeds).to(device)
    if len(seeds) > 1:
        raise ValueError(f"{model.target} trains one run at a time, not {len(seeds)}: {reason}")
    return Plain(construct, seeds[0]).to(device)


@torch.no_grad()
def narrow(model: nn.Module, replicas: Tensor) -> None:
    """Keeps only these replicas, in place."""
    for parameter in model.parameters():
        parameter.data = parameter.data[replicas]
        parameter.grad = None
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer[replicas])


def extract(model: nn.Module, replicas: Tensor) -> nn.Module:
    """Returns a copy that holds only these replicas and shares nothing with the original."""
    part = copy.deepcopy(model)
    narrow(part, replicas)
    return part


def begin(model: nn.Module) -> None:
    """Resets the state that a model carries from batch to batch, as over running text."""
    for module in model.modules():
        if callable(start := getattr(module, "begin", None)):
            start()


def state(model: nn.Module) -> dict[str, Any]:
    """Returns references to all parameters and buffers of a stacked model by name, each [K, ...]."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
