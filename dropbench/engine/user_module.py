"""Runs a user's ordinary module in the stacked engine, which holds its tensors with a replica axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from dropbench.engine.incoming import Incoming, incoming
from dropbench.engine.streams import RawDraws
from dropbench.sites.noise import Noise
from dropbench.sites.own_draws import seeded


class Ordinary(nn.Module):
    """K replicas of a module without a replica axis: the tensors of all replicas, [K, ...], and one module that is called.

    torch's own initialisers draw from its global generator. During construction this and all other generators are seeded
    from each run's `init` stream, and they are restored afterwards.
    """

    def __init__(self, construct: Callable[[], nn.Module], seeds: Sequence[int]) -> None:
        super().__init__()
        built = {seed: _constructed(construct, seed) for seed in dict.fromkeys(seeds)}
        modules = [built[seed] for seed in seeds]
        self.incoming: dict[str, Incoming] = {}
        self.names: dict[str, str] = {}
        """The names of the tensors in this class, by their names in the user's module."""
        for i, (name, parameter) in enumerate(modules[0].named_parameters()):
            held_as = self.names[name] = f"parameter_{i}"
            together = torch.stack([m.get_parameter(name).detach() for m in modules])
            self.register_parameter(held_as, nn.Parameter(together, parameter.requires_grad))
            if (into := incoming(modules[0], name, parameter)) is not None:
                self.incoming[held_as] = into
        for i, (name, _) in enumerate(modules[0].named_buffers()):
            held_as = self.names[name] = f"buffer_{i}"
            self.register_buffer(held_as, torch.stack([m.get_buffer(name) for m in modules]))
        # In a tuple, so that it is not registered as a submodule: the tensors above are used in place of its own.
        self._module = (modules[0],)

    @override
    def train(self, mode: bool = True) -> Ordinary:
        super().train(mode)
        self._module[0].train(mode)
        return self

    @property
    def lent(self) -> nn.Module:
        """The module that is called. The stacked tensors are used in place of its own."""
        return self._module[0]

    def begin(self) -> None:
        """Does what `stack.begin` does, which cannot find the parts of a module that is not registered."""
        for module in self._module[0].modules():
            if callable(start := getattr(module, "begin", None)):
                start()


def _constructed(construct: Callable[[], nn.Module], seed: int, device: str = "cpu") -> nn.Module:
    with seeded(int(RawDraws(seed, "init")(1)[0] >> 1), device=device):
        return construct()


@torch.no_grad()
def own_stack(construct: Callable[[int], nn.Module], seeds: Sequence[int], device: torch.device) -> nn.Module:
    """Builds a user's module that has a replica axis so that each replica starts as it would alone.

    If its constructor draws random numbers, the numbers drawn for a whole stack would depend on K, so each replica's tensors
    are copied from a module built alone. What layers draw afterwards, in `reset`, comes from each seed's own stream anyway.
    """
    alone = {seed: _constructed(lambda: construct(1), seed, str(device)) for seed in dict.fromkeys(seeds)}
    if len(seeds) == 1:
        return alone[seeds[0]]
    stack = _constructed(lambda: construct(len(seeds)), seeds[0], str(device))
    tensors = {seed: {**dict(m.named_parameters()), **dict(m.named_buffers())} for seed, m in alone.items()}
    for name, whole in (*stack.named_parameters(), *stack.named_buffers()):
        for k, seed in enumerate(seeds):
            whole[k].copy_(tensors[seed][name][0])
    return stack


class Plain(Ordinary):
    """A stack of one whose module is called directly, for modules that `vmap` cannot stack."""

    def __init__(self, construct: Callable[[], nn.Module], seed: int) -> None:
        super().__init__(construct, [seed])

    @override
    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        # `[0]` of a tensor is a view, so batch norm's running statistics are updated where they are held.
        tensors = {name: getattr(self, held_as)[0] for name, held_as in self.names.items()}
        logits: Tensor = functional_call(self._module[0], tensors, (x[0], PlainNoise(noise)))
        return logits[None]


class PlainNoise(Noise):
    """`sites.noise.Noise` for a module without a replica axis."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise

    @override
    def __call__(self, site: str, x: Tensor) -> Tensor:
        return self._noise(site, x[None])[0]

    @override
    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        return self._noise.affine(site, x[None], weight[None], bias.view(1, 1, -1), lambda z: then(z[0])[None])[0]

    @override
    def acts(self, site: str) -> bool:
        return self._noise.acts(site)

    @override
    def possible(self, site: str) -> bool:
        return self._noise.possible(site)

    @override
    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        act = self._noise.steps(site)
        return None if act is None else lambda state, step: act(state[None], step)[0]

    @override
    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        act = self._noise.transition(site)
        return None if act is None else lambda old, new, step: act(old[None], new[None], step)[0]

    @override
    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        return self._noise.branch(site, _Stacked(branch, self), x[None], *(b[None] for b in beside))[0]

    @override
    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        return self._noise.embed(site, ids[None], table[None])[0]


class _Stacked(nn.Module):
    """Wraps a branch of an ordinary module so that it takes tensors with a replica axis of size one, as the noise expects."""

    def __init__(self, branch: nn.Module, noise: PlainNoise) -> None:
        super().__init__()
        self._branch = (branch, noise)  # in a tuple, so that its tensors, without replica axis, are not registered

    def forward(self, x: Tensor, noise: Noise, *beside: Tensor) -> Tensor:
        branch, own = self._branch
        out: Tensor = branch(x[0], own, *(b[0] for b in beside))
        return out[None]
