"""Records which parts of a module draw random numbers during a call, and what each part outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dropbench.sites.own_draws import own, shared


class Listening:
    """Context manager that counts in `told` how often each part of a module draws, by name and class.

    Whenever a part is entered or left, it checks whether the state of a generator has changed.
    """

    def __init__(self, module: nn.Module, told: Counter[str]) -> None:
        self._module, self._told = module, told
        self._sources = [*shared(), *own(module)]
        self._within = ["its forward"]
        self._states = self._now()

    def __enter__(self) -> None:
        self._hooks = []
        for label, part in _parts(self._module):
            self._hooks.append(part.register_forward_pre_hook(partial(self._enter, label)))
            self._hooks.append(part.register_forward_hook(self._leave, always_call=True))

    def __exit__(self, *raised: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._look()

    def _enter(self, label: str, part: nn.Module, given: object) -> None:
        self._look()
        self._within.append(label)

    def _leave(self, part: nn.Module, given: object, output: object) -> None:
        self._look()
        self._within.pop()

    def _look(self) -> None:
        now = self._now()
        for source, before, after in zip(self._sources, self._states, now, strict=True):
            if before != after:
                self._told[self._within[-1] + ("" if source.name == "torch" else f" by {source.name}")] += 1
        self._states = now

    def _now(self) -> list[bytes]:
        return [_written(source.state()) for source in self._sources]


class Giving:
    """Context manager that collects the outputs of a module's parts in order, by name and class."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.outputs: list[tuple[str, Tensor]] = []

    def __enter__(self) -> Giving:
        self._hooks = [part.register_forward_hook(partial(self._keep, label)) for label, part in _parts(self._module)]
        self._hooks.append(self._module.register_forward_hook(partial(self._keep, "its forward")))
        return self

    def __exit__(self, *raised: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _keep(self, label: str, part: nn.Module, given: object, output: object) -> None:
        for each in output if isinstance(output, (tuple, list)) else (output,):
            if isinstance(each, Tensor):
                self.outputs.append((label, each.detach().double()))


def _parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yields the parts of a module with their class, under the names that its author uses."""
    inside = getattr(module, "inside", "")
    for path, part in module.named_modules():
        if path and f"{path}." != inside and not isinstance(part, torch.jit.ScriptModule):
            yield f"{path.removeprefix(inside)} ({type(part).__name__})", part


def _written(state: Any) -> bytes:
    if isinstance(state, dict):
        return b"".join(_written(value) for value in state.values())
    if isinstance(state, Tensor):
        return state.numpy().tobytes()
    if isinstance(state, tuple) and any(hasattr(part, "tobytes") for part in state):
        return b"".join(map(_written, state))
    return bytes(state.tobytes()) if hasattr(state, "tobytes") else repr(state).encode()
