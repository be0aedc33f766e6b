"""A stack of K models: built from a spec, started from each replica's own seed, narrowed when replicas finish."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from hydra.utils import get_object
from torch import Tensor, nn
from torch.func import functional_call

from dropbench.data.base import Graph
from dropbench.engine.streams import StackedWords, Words
from dropbench.outline import Outline
from dropbench.sites import Noise
from dropbench.spec import Component


def build(
    model: Component, plan: Outline, seeds: Sequence[int], device: torch.device, graph: Graph | None = None
) -> nn.Module:
    """K = len(seeds) models with weights drawn from each seed's `init` stream.

    A model without a replica axis is built alone, K = 1, behind `Plain`. A model of a graph is given it by its `attach`.
    """
    cls = get_object(model.target)
    if not plan.stacked:
        if len(seeds) > 1:
            raise ValueError(f"{model.target} has no replica axis: one run at a time, not {len(seeds)}")
        return Plain(lambda: cls(plan.shape, plan.n_classes, **model.options), seeds[0]).to(device)
    with torch.device(device):
        stack: nn.Module = cls(len(seeds), plan.shape, plan.n_classes, **model.options)
    draw = StackedWords(seeds, "init", device)
    for layer in stack.modules():
        reset = getattr(layer, "reset", None)
        if callable(reset):
            reset(draw)
    if graph is not None:
        stack.attach(graph, device)  # type: ignore[operator]
    return stack


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
    """A copy that holds only these replicas and shares nothing with the original."""
    part = copy.deepcopy(model)
    narrow(part, replicas)
    return part


class Plain(nn.Module):
    """A stack of one around an ordinary module, whose tensors it holds with a replica axis of one.

    torch's own initialisers draw from its global generator: it is seeded for the time of construction from the run's
    `init` stream, and put back after.
    """

    def __init__(self, construct: Callable[[], nn.Module], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            # Not `torch.manual_seed`, which would seed accelerators too, and those are not put back.
            torch.default_generator.manual_seed(int(Words(seed, "init")(1)[0] >> 1))
            module = construct()
        self.incoming: dict[str, tuple[int, ...]] = {}
        self.names: dict[str, str] = {}
        """Of the module's tensors here, by their names there."""
        for i, (name, parameter) in enumerate(module.named_parameters()):
            own = self.names[name] = f"parameter_{i}"
            self.register_parameter(own, nn.Parameter(parameter.detach()[None].clone(), parameter.requires_grad))
            if parameter.ndim > 1:  # torch's layers put outputs first, and what comes in after
                self.incoming[own] = tuple(range(2, parameter.ndim + 1))
        for i, (name, buffer) in enumerate(module.named_buffers()):
            own = self.names[name] = f"buffer_{i}"
            self.register_buffer(own, buffer[None].clone())
        self._module = (module,)  # in a tuple, so that it is not registered: its tensors are stand-ins for those above

    def train(self, mode: bool = True) -> Plain:
        super().train(mode)
        self._module[0].train(mode)
        return self

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        # `[0]` of a tensor is a view, so batch norm's running statistics are updated where they are held.
        tensors = {name: getattr(self, own)[0] for name, own in self.names.items()}
        logits: Tensor = functional_call(self._module[0], tensors, (x[0], PlainNoise(noise)))
        return logits[None]


class PlainNoise:
    """`sites.Noise` for a module without a replica axis."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise

    def __call__(self, site: str, x: Tensor) -> Tensor:
        return self._noise(site, x[None])[0]

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        return self._noise.affine(site, x[None], weight[None], bias.view(1, 1, -1), lambda z: then(z[0])[None])[0]

    def acts(self, site: str) -> bool:
        return self._noise.acts(site)

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        act = self._noise.steps(site)
        return None if act is None else lambda state, step: act(state[None], step)[0]

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        act = self._noise.transition(site)
        return None if act is None else lambda old, new, step: act(old[None], new[None], step)[0]

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        return self._noise.branch(site, _Stacked(branch, self), x[None], *(b[None] for b in beside))[0]

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        return self._noise.embed(site, ids[None], table[None])[0]


class _Stacked(nn.Module):
    """An ordinary module's branch as one with a replica axis of one, for the noise around it."""

    def __init__(self, branch: nn.Module, noise: PlainNoise) -> None:
        super().__init__()
        self._branch = (branch, noise)  # in a tuple: its tensors have no replica axis, and are not looked for

    def forward(self, x: Tensor, noise: Noise, *beside: Tensor) -> Tensor:
        branch, own = self._branch
        out: Tensor = branch(x[0], own, *(b[0] for b in beside))
        return out[None]


def begin(model: nn.Module) -> None:
    """Lets models that carry a state from batch to batch, as over running text, start afresh."""
    for module in model.modules():
        if callable(start := getattr(module, "begin", None)):
            start()


def state(model: nn.Module) -> dict[str, Any]:
    """References to every stacked tensor of the model, by name: parameters and buffers, each [K, ...]."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
