"""Stacks a user's ordinary module by `torch.func.vmap`; `engine.vmap_check` decides for which modules this is possible."""

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
"""A function whose arguments and result are tensors with the replica axis first."""


class Vmapped(Ordinary):
    """K replicas as one module: `vmap` maps over parameters, buffers and x, and each operation processes all replicas at once.

    Running statistics are changed in place, so the stack's own buffers are updated.
    """

    @override
    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        tensors = {name: getattr(self, held_as) for name, held_as in self.names.items()}

        def one(tensors: dict[str, Tensor], x: Tensor, replica: Tensor) -> Any:
            return functional_call(self._module[0], tensors, (x, VmappedNoise(noise, replica)))

        # Random numbers drawn by the module itself would depend on K, so they are an error.
        logits: Tensor = vmap(one, randomness="error")(tensors, x, torch.arange(len(x), device=x.device))
        if logits.requires_grad:
            # With a gradient in transposed memory order, as for few classes, torch would compute the products of a single
            # replica in another way.
            logits.register_hook(Tensor.contiguous)
        return logits


class VmappedNoise(Noise):
    """The noise of a module under `vmap`: passes stacked tensors to the stack's noise and returns the result into `vmap`."""

    def __init__(self, noise: Noise, replica: Tensor) -> None:
        """replica: any tensor that `vmap` maps over: see `_Outside`."""
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
        # The parameters that `then` uses are still mapped over, so `then` must be mapped as well.
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
        # Computed for all replicas, dropped or not, because `vmap` cannot leave one out.
        out: Tensor = branch(x, self, *beside)
        return self._outside(lambda x, out: self._noise.branch(site, _Given(), x, out), x, out)

    @override
    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        return self._outside(lambda ids, table: self._noise.embed(site, ids, table), ids, table)


class _Outside(torch.autograd.Function):
    """Calls a function of stacked tensors from inside `vmap`.

    The `vmap` rule of an autograd function runs outside of `vmap`, on the whole tensors, and autograd records its operations
    there. Only this rule is used: one tensor is always mapped over, so it always applies, and `forward` is never called.
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
    """A branch whose output has been computed already."""

    def forward(self, x: Tensor, noise: Noise, out: Tensor) -> Tensor:
        return out
