"""A user's ordinary module as a stack, by `torch.func.vmap`; `engine.vmap_check` says of which modules that may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from typing_extensions import override

from dropbench.engine.user_module import Ordinary
from dropbench.sites.noise import Noise

Stacked = Callable[..., Tensor]
"""A function of tensors that have a replica axis, first, and a result that has one."""


class Vmapped(Ordinary):
    """K replicas as one: parameters, buffers and x are mapped over, and operations see all of them at once.

    Running statistics are changed in place, and so where the stack holds them.
    """

    @override
    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        tensors = {name: getattr(self, held_as) for name, held_as in self.names.items()}

        def one(tensors: dict[str, Tensor], x: Tensor, replica: Tensor) -> Any:
            return functional_call(self._module[0], tensors, (x, VmappedNoise(noise, replica)))

        # Random numbers of the module's own would depend on K: they are an error.
        logits: Tensor = vmap(one, randomness="error")(tensors, x, torch.arange(len(x), device=x.device))
        if logits.requires_grad:
            # Over a gradient that lies transposed, as that of few classes does, products of one replica would go another way.
            logits.register_hook(Tensor.contiguous)
        return logits


class VmappedNoise(Noise):
    """The noise of a module under `vmap`: brings its tensors out to the stack's noise, and what that gives back in."""

    def __init__(self, noise: Noise, replica: Tensor) -> None:
        """`replica` is any tensor that is mapped over: see `_Outside`."""
        self._noise = noise
        self._replica = replica

    def _outside(self, stacked: Stacked, *given: Tensor) -> Tensor:
        out: Tensor = _Outside.apply(stacked, self._replica, *given)  # type: ignore[no-untyped-call]
        return out

    @override
    def __call__(self, site: str, x: Tensor) -> Tensor:
        return self._outside(lambda x: self._noise(site, x), x)

    @override
    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        # Parameters that `then` uses are mapped over still, so it is mapped beside them.
        def stacked(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return self._noise.affine(site, x, weight, bias.unsqueeze(1), vmap(then, randomness="error"))

        return self._outside(stacked, x, weight, bias.view(-1))

    @override
    def acts(self, site: str) -> bool:
        return self._noise.acts(site)

    @override
    def possible(self, site: str) -> bool:
        return self._noise.possible(site)

    @override
    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        act = self._noise.steps(site)
        return None if act is None else lambda state, step: self._outside(lambda s: act(s, step), state)

    @override
    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        act = self._noise.transition(site)
        return None if act is None else lambda old, new, step: self._outside(lambda o, n: act(o, n, step), old, new)

    @override
    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        # Computed for all replicas, dropped or not: under `vmap` there is no leaving one out.
        out: Tensor = branch(x, self, *beside)
        return self._outside(lambda x, out: self._noise.branch(site, _Given(), x, out), x, out)

    @override
    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        return self._outside(lambda ids, table: self._noise.embed(site, ids, table), ids, table)


class _Outside(torch.autograd.Function):
    """Calls a function of stacked tensors from inside `vmap`.

    What a function's `vmap` rule does happens outside of it, on the tensors themselves, and autograd records it there. It has
    no other use: one tensor is always mapped over, so the rule is always taken, and `forward` never called.
    """

    @staticmethod
    def forward(stacked: Stacked, replica: Tensor, *given: Tensor) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None: ...

    @staticmethod
    def vmap(
        info: Any, in_dims: Sequence[int | None], stacked: Stacked, replica: Tensor, *given: Tensor
    ) -> tuple[Tensor, int]:
        tensors = [
            t.expand(info.batch_size, *t.shape) if at is None else t.movedim(at, 0)
            for t, at in zip(given, in_dims[2:], strict=True)
        ]
        return stacked(*tensors), 0


class _Given(nn.Module):
    """A branch that has been computed already."""

    def forward(self, x: Tensor, noise: Noise, out: Tensor) -> Tensor:
        return out
