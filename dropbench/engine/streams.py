"""Random streams: every number a run uses comes from its seed, by name, and from nothing else.

A run's `mask/hidden.0` stream is the same whatever else trains beside it, so a run gives the same result alone and in any
cohort; and arms that share a seed share the stream, so their noise is paired. The generator is NumPy's SFC64 through
`random_raw`, the one interface whose numbers NumPy promises not to change. On CUDA it is torch's counter-based generator,
seeded from the same place.
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
    """Raw 64-bit draws of a stream, on demand: a call continues where the last one ended."""

    def __init__(self, seed: int, name: str) -> None:
        self._raw = bit_generator(seed, name)

    def __call__(self, n: int) -> NDArray[np.uint64]:
        """The next n draws, [n]."""
        return self._raw.random_raw(n)

    @property
    def state(self) -> Tensor:
        """Where the stream is, int64 [4]: put into another one of the same kind, that goes on from here."""
        return _state(self._raw)

    @state.setter
    def state(self, state: Tensor) -> None:
        _set_state(self._raw, state)


class StackedDraws:
    """`nn.init.Draw` for a stack: each replica's numbers from its own seed, drawn once for replicas that share it."""

    def __init__(self, seeds: Sequence[int], name: str, device: torch.device) -> None:
        unique = sorted(set(seeds))
        self._raw = [RawDraws(seed, name) for seed in unique]
        self._index = torch.tensor([unique.index(s) for s in seeds])
        self._device = device

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """float32 in [0, 1), [K, *shape]."""
        return self._stack([uniform(raw(math.prod(shape))) for raw in self._raw], shape)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normals, float32, [K, *shape]."""
        n = math.prod(shape)
        return self._stack(
            [box_muller(torch.from_numpy(raw((n + 1) // 2).view(np.int32)))[:n] for raw in self._raw], shape
        )

    def _stack(self, rows: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        return torch.stack(rows)[self._index].view(-1, *shape).to(self._device)


def uniform(raw: NDArray[np.uint64]) -> Tensor:
    """float32 in [0, 1) from the top 24 bits of each draw."""
    return torch.from_numpy((raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24))


def box_muller(bits: Tensor) -> Tensor:
    """Standard normals, float32, one for each of the int32 in `bits` (an even number of them); Box & Muller 1958.

    float32 leaves the uniform of the radius 25 bits. They reach 5.9 standard deviations, beyond which lie four draws in a
    billion.
    """
    u, v = (bits.to(torch.float32) * 2**-32 + 0.5).unflatten(-1, (-1, 2)).unbind(-1)
    radius = torch.sqrt(-2 * torch.log(u.clamp_min(2**-25)))
    angle = 2 * math.pi * v
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), -1).flatten(-2)


class NoiseStream:
    """The noise of one site for a stack of replicas, drawn once a seed and in blocks of many steps.

    `next()` is [K, n]: int16 over all 65,536 values for "bits", float32 standard normals for "normal". The numbers of step
    t depend on (seed, name, t, n) alone: not on K, nor on the order of the replicas.
    """

    def __init__(self, seeds: Sequence[int], name: str, n: int, draws: str, device: torch.device) -> None:
        unique = sorted(set(seeds))
        self._draws, self._n, self._device = draws, n, device
        self._seeds = len(unique)
        self._select(torch.tensor([unique.index(s) for s in seeds]))
        per_draw = 4 if draws == "bits" else 2
        self._raw_draws = -(-n // per_draw)  # whole 64-bit draws a step; what is over is left unused
        # On a CPU the block of all seeds stays in the cache, and its length changes no number. CUDA's generator fills a
        # block as one, so there its length is a seed's own affair.
        sharing = 1 if device.type == "cuda" else len(unique)
        self._steps = max(1, min(64, _BLOCK_BYTES // (8 * self._raw_draws * sharing)))
        self._at = self._steps
        self._block = torch.empty(0)
        self._sources = [_Source(s, name, device) for s in unique]
        self._began: list[Tensor] = []
        """Where each source was before it drew this block."""

    def next(self) -> Tensor:
        """The noise of the next step, [K, n]."""
        if self._at == self._steps:
            self._block = self._draw()
            self._at = 0
        step = self._block[self._at, :, : self._n]
        self._at += 1
        if self._index is None:
            return step
        # Replicas of one seed share its numbers where they lie.
        return step.expand(len(self._index), -1) if self._seeds == 1 else step.index_select(0, self._index)

    def narrowed(self, replicas: Tensor) -> NoiseStream:
        """The stream for these replicas only, which goes on where this one is and takes its place.

        Seeds that no replica is left of draw no more.
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
        """Where the stream is for each replica, int64 [K, 1 + n]: steps taken of a block, and the source before that block.

        A block is longer or shorter in other company, but not what it begins with.
        """
        between = self._at == self._steps
        began = [source.state for source in self._sources] if between else self._began
        rows = torch.stack(began)
        rows = torch.cat((torch.full((len(rows), 1), 0 if between else self._at), rows), 1)
        return rows if self._index is None else rows[self._index.cpu()]

    def resume(self, states: Sequence[Tensor | None]) -> None:
        """Goes on from where `states` said, a row a replica; of replicas that share a seed, the first that has one counts.

        A seed that has none, since no noise acted there, stays where it is.
        """
        index = list(range(self._seeds)) if self._index is None else self._index.tolist()
        rows = dict(reversed([(i, row) for i, row in zip(index, states, strict=True) if row is not None]))
        for i, row in rows.items():
            self._sources[i].state = row[1:]
        self._at = self._steps
        taken = {i: int(row[0]) for i, row in rows.items() if row[0] > 0}
        if not taken:
            return
        if self._device.type == "cuda":  # blocks are as long as they were: see above
            self._block = self._draw()
            self._at = max(taken.values())
            return
        for i, steps in taken.items():
            self._sources[i].draw((steps, self._raw_draws))

    def _select(self, index: Tensor) -> None:
        """Which seed's numbers each replica gets; None where each seed has one replica, in order, and no gather is needed."""
        in_order = torch.equal(index, torch.arange(self._seeds))
        self._index: Tensor | None = None if in_order else index.to(self._device)

    def _draw(self) -> Tensor:
        """[steps, seeds, numbers]."""
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
        """The next draws, int64."""
        if self._generator is None:
            return torch.from_numpy(self._bits.random_raw(math.prod(shape)).view(np.int64)).view(shape)
        return torch.empty(shape, dtype=torch.int64, device=self._device).random_(
            -(2**63), None, generator=self._generator
        )

    @property
    def state(self) -> Tensor:
        """Where it is, int64 [n]."""
        return _state(self._bits) if self._generator is None else self._generator.get_state().view(torch.int64)

    @state.setter
    def state(self, state: Tensor) -> None:
        if self._generator is None:
            _set_state(self._bits, state)
        else:
            self._generator.set_state(state.contiguous().view(torch.uint8))


def _state(bits: np.random.SFC64) -> Tensor:
    """int64 [4]; SFC64 has no more to it for who takes whole 64-bit draws."""
    words: NDArray[np.uint64] = bits.state["state"]["state"]
    return torch.from_numpy(words.view(np.int64).copy())


def _set_state(bits: np.random.SFC64, state: Tensor) -> None:
    words = state.contiguous().numpy().view(np.uint64)
    bits.state = {"bit_generator": "SFC64", "state": {"state": words}, "has_uint32": 0, "uinteger": 0}
