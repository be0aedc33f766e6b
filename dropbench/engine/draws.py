"""A regularizer's own random numbers for a stack, drawn once per seed and shared by the replicas of that seed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from dropbench.data.raw_draws import permutation
from dropbench.engine.streams import RawDraws, box_muller, uniform
from dropbench.engine.tape import Tape
from dropbench.regularizers.base import Draws


class OwnDraws(Draws):
    """`regularizers.base.Draws` from one stream per seed: the numbers depend only on seed, name and the draws made before."""

    def __init__(self, seeds: Sequence[int], name: str, device: torch.device) -> None:
        unique = sorted(set(seeds))
        self._raw = [RawDraws(seed, name) for seed in unique]
        self._index = torch.tensor([unique.index(s) for s in seeds])
        self._device = device
        self.tape: Tape | None = None
        """The tape of the current update if it passes through the model more than once and must repeat its draws, else None."""

    @override
    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        return self._next(math.prod(shape), uniform, shape)

    @override
    def normal(self, shape: tuple[int, ...]) -> Tensor:
        n = math.prod(shape)

        def normals(raw: NDArray[np.uint64]) -> Tensor:
            return box_muller(torch.from_numpy(raw.view(np.int32)))[:n]

        return self._next((n + 1) // 2, normals, shape)

    @override
    def permutation(self, n: int) -> Tensor:
        return self._next(n, lambda raw: torch.from_numpy(permutation(raw)), (n,))

    def narrowed(self, replicas: Tensor) -> OwnDraws:
        """Returns the draws of these replicas only, which continue from the current state and replace this object."""
        narrower = copy.copy(self)
        used, narrower._index = self._index[replicas.cpu()].unique(return_inverse=True)
        narrower._raw = [self._raw[i] for i in used.tolist()]
        return narrower

    def states(self) -> Tensor:
        """Returns the state of each replica's stream, int64 [K, 4]."""
        return torch.stack([raw.state for raw in self._raw])[self._index]

    def resume(self, states: Sequence[Tensor]) -> None:
        """Continues from what `states` returned, given one row per replica."""
        for i, state in zip(self._index.tolist(), states, strict=True):  # replicas of one seed have equal states
            self._raw[i].state = state

    def _next(self, n: int, made: Callable[[NDArray[np.uint64]], Tensor], shape: tuple[int, ...]) -> Tensor:
        def draw() -> Tensor:
            rows = torch.stack([made(raw(n)) for raw in self._raw])
            return rows[self._index].view(-1, *shape).to(self._device)

        return draw() if self.tape is None else self.tape.next(draw)
