"""Random streams: every random number of a run is determined by its seed and the name of a stream.

A run's stream `mask/hidden.0` is the same whatever else trains beside it, so a run gives the same result alone and in any
cohort. Arms that share a seed share the stream, so their noise is paired. The generator is NumPy's SFC64 through
`random_raw`, because NumPy promises not to change the numbers of that interface alone. On CUDA, noise comes from torch's
counter-based generator, seeded from the same stream.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data.raw_draws import bit_generator

_BLOCK_BYTES = 4 * 2**20


class RawDraws:
    """Raw 64-bit draws of a stream; each call continues where the last one ended."""

    def __init__(self, seed: int, name: str) -> None:
        self._raw = bit_generator(seed, name)

    def __call__(self, n: int) -> NDArray[np.uint64]:
        """Returns the next n draws, [n]."""
        return self._raw.random_raw(n)

    @property
    def state(self) -> Tensor:
        """The state of the stream, int64 [4]; an instance whose `state` is set to it continues from here."""
        return _state(self._raw)

    @state.setter
    def state(self, state: Tensor) -> None:
        _set_state(self._raw, state)


class StackedDraws:
    """`nn.init.Draw` for a stack: numbers are drawn once per seed and shared by the replicas of that seed."""

    def __init__(self, seeds: Sequence[int], name: str, device: torch.device) -> None:
        unique = sorted(set(seeds))
        self._raw = [RawDraws(seed, name) for seed in unique]
        self._index = torch.tensor([unique.index(s) for s in seeds])
        self._device = device

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Returns uniform numbers in [0, 1), float32 [K, *shape]."""
        return self._stack([uniform(raw(math.prod(shape))) for raw in self._raw], shape)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Returns standard normals, float32 [K, *shape]."""
        n = math.prod(shape)
        return self._stack(
            [box_muller(torch.from_numpy(raw((n + 1) // 2).view(np.int32)))[:n] for raw in self._raw], shape
        )

    def _stack(self, rows: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.stack(rows)[self._index].view(-1, *shape).to(self._device)


def uniform(raw: NDArray[np.uint64]) -> Tensor:
    """Converts raw draws to float32 in [0, 1), by the top 24 bits of each."""
    return torch.from_numpy((raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24))


def box_muller(bits: Tensor) -> Tensor:
    """Converts an even number of int32 `bits` to as many standard normals, float32 (Box & Muller 1958).

    In float32 the uniform number for the radius has a resolution of 25 bits. So no draw exceeds 5.9 standard deviations; four
    draws in a billion would.
    """
    u, v = (bits.to(torch.float32) * 2**-32 + 0.5).unflatten(-1, (-1, 2)).unbind(-1)
    radius = torch.sqrt(-2 * torch.log(u.clamp_min(2**-25)))
    angle = 2 * math.pi * v
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), -1).flatten(-2)


class NoiseStream:
    """The noise of one site for a stack of replicas, drawn once per seed and in blocks of many steps.

    `next()` returns [K, n]: int16 over all 65,536 values for "bits", float32 standard normals for "normal". The numbers of
    step t depend only on (seed, name, t, n), not on K or the order of the replicas.
    """

    def __init__(self, seeds: Sequence[int], name: str, n: int, draws: str, device: torch.device) -> None:
        unique = sorted(set(seeds))
        self._draws, self._n, self._device = draws, n, device
        self._seeds = len(unique)
        self._select(torch.tensor([unique.index(s) for s in seeds]))
        per_draw = 4 if draws == "bits" else 2
        self._raw_draws = -(-n // per_draw)  # whole 64-bit draws per step; left-over bits are not used
        # On a CPU the length of a block changes no number and is such that the blocks of all seeds fit in the cache. CUDA's
        # generator fills a block as a whole, so there the length must not depend on the other seeds.
        sharing = 1 if device.type == "cuda" else len(unique)
        self._steps = max(1, min(64, _BLOCK_BYTES // (8 * self._raw_draws * sharing)))
        self._at = self._steps
        self._block = torch.empty(0)
        self._sources = [_Source(s, name, device) for s in unique]
        self._began: list[Tensor] = []
        """The state of each source before it drew this block."""

    def next(self) -> Tensor:
        """Returns the noise of the next step, [K, n]."""
        if self._at == self._steps:
            self._block = self._draw()
            self._at = 0
        step = self._block[self._at, :, : self._n]
        self._at += 1
        if self._index is None:
            return step
        # If there is a single seed, its replicas share its numbers without a copy.
        return step.expand(len(self._index), -1) if self._seeds == 1 else step.index_select(0, self._index)

    def narrowed(self, replicas: Tensor) -> NoiseStream:
        """Returns the stream for these replicas only, which continues from the current state and replaces this object.

        Seeds without a remaining replica are dropped.
        """
        narrower = copy.copy(self)
        index = torch.arange(self._seeds) if self._index is None else self._index.cpu()
        used, renumbered = index[replicas.cpu()].unique(return_inverse=True)
        narrower._seeds = len(used)
        narrower._sources = [self._sources[i] for i in used.tolist()]
        if self._at < self._steps:
            narrower._began = [self._began[i] for i in used.tolist()]
            narrower._block = self._block[:, used.to(self._block.device)]
        narrower._select(renumbered)
        return narrower

    def states(self) -> Tensor:
        """Returns each replica's state, int64 [K, 1 + n]: steps taken of the current block, and the source's state before it.

        The length of a block may depend on the stack, but its first numbers do not, so the state fits any stack.
        """
        between = self._at == self._steps
        began = [source.state for source in self._sources] if between else self._began
        rows = torch.stack(began)
        rows = torch.cat((torch.full((len(rows), 1), 0 if between else self._at), rows), 1)
        return rows if self._index is None else rows[self._index.cpu()]

    def resume(self, states: Sequence[Tensor | None]) -> None:
        """Continues from the result of `states`, one row per replica; for each seed, the first row that is not None counts.

        A seed without a row, because none of its replicas has noise here, stays where it is.
        """
        index = list(range(self._seeds)) if self._index is None else self._index.tolist()
        rows = dict(reversed([(i, row) for i, row in zip(index, states, strict=True) if row is not None]))
        for i, row in rows.items():
            self._sources[i].state = row[1:]
        self._at = self._steps
        taken = {i: int(row[0]) for i, row in rows.items() if row[0] > 0}
        if not taken:
            return
        if self._device.type == "cuda":  # here the length of a block is the same in every stack: see `__init__`
            self._block = self._draw()
            self._at = max(taken.values())
            return
        for i, steps in taken.items():
            self._sources[i].draw((steps, self._raw_draws))

    def _select(self, index: Tensor) -> None:
        """Sets which seed's numbers each replica gets; None if each seed has one replica, in order, so no gather is needed."""
        in_order = torch.equal(index, torch.arange(self._seeds))
        self._index: Tensor | None = None if in_order else index.to(self._device)

    def _draw(self) -> Tensor:
        """Draws a block, [steps, seeds, numbers]."""
        shape = (self._steps, self._raw_draws)
        self._began = [source.state for source in self._sources]
        drawn = [source.draw(shape) for source in self._sources]
        raw = torch.stack(drawn, 1) if len(drawn) > 1 else drawn[0][:, None]
        numbers = raw.view(torch.int16) if self._draws == "bits" else box_muller(raw.view(torch.int32))
        return numbers.to(self._device)


class _Source:
    """The raw 64-bit draws of one stream of one seed, on its device."""

    def __init__(self, seed: int, name: str, device: torch.device) -> None:
        self._bits, self._device = bit_generator(seed, name), device
        self._generator: torch.Generator | None = None
        if device.type == "cuda":
            self._generator = torch.Generator(device).manual_seed(int(self._bits.random_raw() >> np.uint64(1)))

    def draw(self, shape: tuple[int, int]) -> Tensor:
        """Returns the next draws, int64."""
        if self._generator is None:
            return torch.from_numpy(self._bits.random_raw(math.prod(shape)).view(np.int64)).view(shape)
        return torch.empty(shape, dtype=torch.int64, device=self._device).random_(
            -(2**63), None, generator=self._generator
        )

    @property
    def state(self) -> Tensor:
        """The state of the generator, int64 [n]."""
        return _state(self._bits) if self._generator is None else self._generator.get_state().view(torch.int64)

    @state.setter
    def state(self, state: Tensor) -> None:
        if self._generator is None:
            _set_state(self._bits, state)
        else:
            self._generator.set_state(state.contiguous().view(torch.uint8))


def _state(bits: np.random.SFC64) -> Tensor:
    """Returns the generator's state, int64 [4], which is complete if only whole 64-bit draws are taken."""
    words: NDArray[np.uint64] = bits.state["state"]["state"]
    return torch.from_numpy(words.view(np.int64).copy())


def _set_state(bits: np.random.SFC64, state: Tensor) -> None:
    words = state.contiguous().numpy().view(np.uint64)
    bits.state = {"bit_generator": "SFC64", "state": {"state": words}, "has_uint32": 0, "uinteger": 0}
