"""Measures how much more memory training and evaluation take with torch's dropout, by counting the bytes of tensors."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from dropbench.store import Case

WIDTH, CLASSES, RATE, LITTLE = 256, 10, 0.5, 0.1
"""LITTLE: the largest additional share that counts as "little more"."""


class Bytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are created while it is active, as long as they exist.

    It does not count the temporary memory of operations or memory that the allocator keeps.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._seen, out)
        return out

    def _seen(self, made: Tensor) -> Tensor:
        storage = made.untyped_storage()
        if (key := storage._cdata) not in self._known:  # several tensors may share one
            size = storage.nbytes()
            self._known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key, size)
        return made

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def training() -> Iterator[Case]:
    """Yields peak bytes with dropout in both hidden layers / peak bytes without, over two training steps, by batch size.

    The memory of weights, gradients and Adam's two averages is the same; that of masks and stored activations grows with the
    batch.
    """
    for batch in (8, 64, 512, 4096):
        more = peak(RATE, batch) / peak(0.0, batch)
        yield Case(case=f"batches of {batch}", measured=more, formula=1.0, within=LITTLE)


def evaluation() -> Iterator[Case]:
    """Yields peak bytes with dropout / peak bytes without, for an evaluation with the noise off."""
    yield Case(
        case="batches of 512",
        measured=peak(RATE, 512, trains=False) / peak(0.0, 512, trains=False),
        formula=1.0,
        within=0.0,
    )


def peak(rate: float, batch: int, *, trains: bool = True) -> int:
    """Returns the peak bytes of tensors for a network 64-256-256-10 with its weights and two steps of Adam."""
    sizes = ((64, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES))
    with torch.random.fork_rng(devices=()), Bytes() as counted:
        weights = [torch.full(shape, 0.01).requires_grad_(trains) for shape in sizes]
        x, y = torch.ones(batch, 64), torch.zeros(batch, dtype=torch.int64)
        optimizer = torch.optim.Adam(weights) if trains else None
        for _ in range(2):
            hidden = x
            for w in weights[:-1]:
                hidden = dropout((hidden @ w).relu(), rate, trains)
            loss = cross_entropy(hidden @ weights[-1], y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            del hidden, loss
        most: int = counted.peak
    return most
