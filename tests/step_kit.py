"""A training step as regularizers see it, with any function of the inputs as the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.regularizers.base import Draws, Given, Step


class ByHand(Step):
    """A step whose passes are calls of `model`; `others` are the passes with fresh masks, by their index."""

    def __init__(
        self,
        batch: Batch,
        model: Callable[[Tensor], Tensor],
        parameters: Mapping[str, Tensor] | None = None,
        others: tuple[Callable[[Tensor], Tensor], ...] = (),
        loss: Callable[[Tensor, Batch], Tensor] | None = None,
        seen: Mapping[str | None, Tensor] | None = None,
        weights: tuple[str, ...] = (),
    ) -> None:
        """weights: the names of the parameters that are not biases, scales or shifts."""
        self._weights = weights
        self._batch, self._model, self._parameters, self._seen = batch, model, parameters or {}, seen or {}
        self._others = others
        self._loss = loss or cross_entropies
        self._output = model(batch.x)

    @property
    def batch(self) -> Batch:
        return self._batch

    @property
    def output(self) -> Tensor:
        return self._output

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return self._parameters

    @property
    def weights(self) -> list[Tensor]:
        return [self._parameters[name] for name in self._weights]

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        return self._loss(output, batch)

    def replay(self, x: Tensor) -> Tensor:
        return self._model(x)

    @property
    def further(self) -> int:
        return len(self._others)

    def again(self, place: int = 0) -> Tensor:
        return self._others[place](self._batch.x)

    def activations(self, site: str | None) -> Tensor:
        return self._seen[site]

    def objective(self) -> Tensor:
        raise NotImplementedError


def cross_entropies(output: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of each replica, [K], computed one after the other."""
    return torch.stack([F.cross_entropy(o, y) for o, y in zip(output, batch.y, strict=True)])


class Sampled(Draws):
    """Draws from torch's generator; `drawn` has all draws in order."""

    def __init__(self, replicas: int, seed: int = 0) -> None:
        self._replicas, self._generator = replicas, torch.Generator().manual_seed(seed)
        self.drawn: list[Tensor] = []

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        return self._kept(torch.rand(self._replicas, *shape, generator=self._generator))

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        return self._kept(torch.randn(self._replicas, *shape, generator=self._generator))

    def permutation(self, n: int) -> Tensor:
        rows = [torch.randperm(n, generator=self._generator) for _ in range(self._replicas)]
        return self._kept(torch.stack(rows))

    def _kept(self, drawn: Tensor) -> Tensor:
        self.drawn.append(drawn)
        return drawn


def given(**changes: Any) -> Given:
    """Return what a regularizer is given for a classifier of images with 2 channels, 6 rows and 8 columns."""
    usual: dict[str, Any] = {
        "task": "classify",
        "view": "image",
        "shape": (2, 6, 8),
        "image": (2, 6, 8),
        "columns": (),
        "batch_norm": False,
        "own_noise": False,
        "sites": {},
        "whole": (),
    }
    return Given(**{**usual, **changes})
