"""Batches of examples, gathered by index from one tensor on the device; converted to the model's view and normalised."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data import augment, normalise, views
from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.data.raw_draws import permutation
from dropbench.data.split import Split, batch_sizes, split
from dropbench.engine.result import COLUMNS, SCALE, SHIFT, TARGET
from dropbench.engine.streams import RawDraws
from dropbench.engine.target_scale import TargetScale
from dropbench.spec import Augment, DataSpec


def split_for(table: Table, data: DataSpec, seed: int) -> Split:
    """Returns the split of one run. With `split_seed` all runs share a split, but label noise still follows the run's seed."""
    return split(
        table,
        n_train=data.n_train,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        label_noise=data.label_noise,
        split_draws=RawDraws(seed if data.split_seed is None else data.split_seed, "split"),
        noise_draws=RawDraws(seed, "label_noise"),
    )


def class_weights_of(labels: Tensor, n_classes: int) -> Tensor:
    """Returns example weights by class that give all classes the same total weight: n / (C n_c), [n_classes] float32.

    There are n examples with these labels [n], of C different classes, n_c of them of class c (King & Zeng 2001; the same as
    `sklearn.utils.class_weight.compute_class_weight`). The mean over the examples is 1; a class without examples has 0.
    """
    counts = torch.bincount(labels, minlength=n_classes)
    there = counts > 0
    weights = len(labels) / (there.sum() * counts.clamp(min=1).double())
    return torch.where(there, weights, 0.0).float()


class ExampleBatches:
    """The batches of a stack. Replicas with the same seed share split, order and augmentation, so these are computed once.

    S is the number of distinct seeds. All tensors are [S, ...] until the last step, which gives each replica its seed's batch.
    """

    def __init__(
        self,
        table: Table,
        data: DataSpec,
        view: str,
        batch_size: int,
        augmentation: Augment,
        seeds: Sequence[int],
        device: torch.device,
        class_weights: Literal["balanced"] | None = None,
    ) -> None:
        """class_weights: with `balanced`, each class of the training labels counts the same in the training loss."""
        unique = sorted(set(seeds))
        self._table, self._view, self._augment, self._device = table, view, augmentation, device
        self._batch_size = batch_size
        self._seeds = len(unique)
        self._select(torch.tensor([unique.index(s) for s in seeds]))
        splits = [split_for(table, data, s) for s in unique]
        self._rows = {
            part: torch.stack([getattr(s, part) for s in splits]).to(device) for part in ("train", "val", "test")
        }
        self._y = {part: table.y.to(device)[rows] for part, rows in self._rows.items()}
        self._y["train"] = torch.stack([s.labels for s in splits]).to(device)
        balanced = [class_weights_of(s.labels, table.n_classes) for s in splits] if class_weights else None
        self._class_weights = None if balanced is None else torch.stack(balanced).to(device)
        self._order = [RawDraws(s, "order") for s in unique]
        self._order_began: list[Tensor] = []
        self._draws = [RawDraws(s, "augment") for s in unique]
        self._maps = view == "image"
        self._scale: Tensor | None = None
        self._targets = TargetScale.of(table, splits, device)
        self._weights = None if table.weights is None else table.weights.to(device)
        self._fitted = [] if table.prepared is None else [table.prepared.fitted(s.train) for s in splits]
        self._x = self._ready(table.x) if table.prepared is None else self._each(table.prepared.raw)
        # Integers to look up are not normalised, and the columns of a prepared table already are.
        if self._x.is_floating_point() and table.prepared is None:
            means, scales = zip(*(self._viewed_statistics(s) for s in splits), strict=True)
            self._scale = (1 / torch.stack(scales)).to(device)[:, None]
            self._shift = -torch.stack(means).to(device)[:, None] * self._scale

    def part_sizes(self) -> dict[str, int]:
        """Returns the number of examples in each part, which is the same for every replica."""
        return {part: rows.shape[1] for part, rows in self._rows.items()}

    @property
    def steps(self) -> int:
        """The number of updates per epoch. The last batch is smaller if the batch size does not divide the examples."""
        return len(self._batch_sizes())

    def epoch(self, done: int = 0) -> Iterator[Batch]:
        """Yields each training example once, in an order of each seed's own, skipping the first `done` batches."""
        self._order_began = [draws.state for draws in self._order]
        rows, labels = self._rows["train"], self._y["train"]
        order = torch.stack([torch.from_numpy(permutation(w(rows.shape[1]))) for w in self._order]).to(self._device)
        for positions in order.split(self._batch_sizes(), dim=1)[done:]:
            x = self._gather(rows.gather(1, positions))
            if self._augment:
                x = views.apply(self._augmented(x), self._table.axes, self._view)
            y = labels.gather(1, positions)
            yield self._batch(x, y, self._weighed(rows.gather(1, positions), y))

    def states(self) -> dict[str, Tensor]:
        """Returns the state of each replica's streams, [K, n] by name; `order` as it was at the beginning of the epoch."""
        by_seed = {"order": self._order_began, "augment": [draws.state for draws in self._draws]}
        rows = {name: torch.stack(states) for name, states in by_seed.items()}
        return rows if self._index is None else {name: states[self._index.cpu()] for name, states in rows.items()}

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Continues from what `states` returned, given the rows of each replica; the next epoch repeats the interrupted one."""
        index = list(range(self._seeds)) if self._index is None else self._index.tolist()
        for i, state in zip(index, states, strict=True):  # replicas of one seed have equal states
            self._order[i].state, self._draws[i].state = state["order"], state["augment"]

    def part(self, part: str, chunk: int) -> Iterator[Batch]:
        """Yields a whole split in its own order, without augmentation, `chunk` examples at a time."""
        for rows, y in zip(self._rows[part].split(chunk, 1), self._y[part].split(chunk, 1), strict=True):
            x = self._gather(rows)
            yield self._batch(views.apply(x, self._table.axes, self._view) if self._augment else x, y)

    def foreign(self, x: Tensor, chunk: int) -> Iterator[Tensor]:
        """Yields raw examples x [n, *table.shape] of other data, viewed and normalised like these: [K, B, *shape] at a time."""
        elsewhere = copy.copy(self)
        elsewhere._x = self._ready(x)
        elsewhere._fitted, elsewhere._targets = [], None
        elsewhere._rows = elsewhere._y = {"foreign": torch.arange(len(x), device=self._device).expand(self._seeds, -1)}
        for batch in elsewhere.part("foreign", chunk):
            yield batch.x

    @property
    def total(self) -> int:
        """The number of rows of the whole data set."""
        return len(self._table.y)

    def rows(self, part: str) -> Tensor:
        """Returns the row numbers of a part's examples in the order of the method `part`, [K, n]."""
        rows = self._rows[part]
        return rows if self._index is None else rows[self._index]

    def targets(self) -> TargetScale | None:
        """Returns how each replica's targets were standardised, or None if they are not numbers."""
        return self._targets if self._targets is None or self._index is None else self._targets[self._index]

    def preprocessing(self) -> dict[str, Tensor]:
        """Returns what was fitted to the training examples, one row per replica; the model receives x · scale + shift."""
        fitted: dict[str, Tensor] = {}
        if self._scale is not None:
            fitted = {SHIFT: self._shift[:, 0], SCALE: self._scale[:, 0]}
        if self._fitted:
            states = [one.state() for one in self._fitted]
            fitted |= {f"{COLUMNS}{name}": torch.stack([state[name] for state in states]) for name in states[0]}
        if self._targets is not None:
            fitted |= {TARGET: torch.cat([self._targets.centre, self._targets.spread], 1)}
        return fitted if self._index is None else {name: t[self._index] for name, t in fitted.items()}

    def narrowed(self, replicas: Tensor) -> ExampleBatches:
        """Returns the batches of these replicas only, which continue from the current state and replace this object.

        Seeds without a remaining replica are dropped.
        """
        narrower = copy.copy(self)
        index = torch.arange(self._seeds) if self._index is None else self._index.cpu()
        used, renumbered = index[replicas.cpu()].unique(return_inverse=True)
        kept = used.to(self._device)
        narrower._seeds = len(used)
        narrower._rows = {part: rows[kept] for part, rows in self._rows.items()}
        narrower._y = {part: y[kept] for part, y in self._y.items()}
        if self._class_weights is not None:
            narrower._class_weights = self._class_weights[kept]
        if self._scale is not None:
            narrower._scale, narrower._shift = self._scale[kept], self._shift[kept]
        if self._targets is not None:
            narrower._targets = self._targets[kept]
        if self._fitted:
            narrower._fitted, narrower._x = [self._fitted[i] for i in used.tolist()], self._x[kept]
        narrower._order = [self._order[i] for i in used.tolist()]
        narrower._draws = [self._draws[i] for i in used.tolist()]
        narrower._select(renumbered)
        return narrower

    def _batch_sizes(self) -> list[int]:
        return batch_sizes(self._rows["train"].shape[1], self._batch_size)

    def _select(self, index: Tensor) -> None:
        in_order = torch.equal(index, torch.arange(self._seeds))
        self._index: Tensor | None = None if in_order else index.to(self._device)

    def _ready(self, x: Tensor) -> Tensor:
        """Returns raw examples as they are stored: unchanged if they will be augmented, else viewed, and images channels-last.

        Channels-last is the memory order that convolutions prefer.
        """
        ready = x if self._augment else views.apply(x, self._table.axes, self._view)
        return (ready.movedim(1, -1) if self._maps and not self._augment else ready).contiguous().to(self._device)

    def _gather(self, rows: Tensor) -> Tensor:
        """Returns the examples with these row numbers, [S, B, ...]."""
        if self._fitted:  # each seed has its own inputs
            return torch.stack([x.index_select(0, one) for x, one in zip(self._x, rows, strict=True)])
        x = self._x.index_select(0, rows.reshape(-1)).view(*rows.shape, *self._x.shape[1:])
        return x.movedim(-1, -3) if self._maps and not self._augment else x

    def _batch(self, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Batch:
        beside: dict[str, Any] = {"weight": weight}
        if self._scale is not None:
            x = torch.addcmul(self._shift, x, self._scale)
            beside |= {"shift": self._shift, "scale": self._scale}
        if self._targets is not None:
            beside |= {"centre": self._targets.centre, "spread": self._targets.spread}
        if self._index is None:
            return Batch(x, y, **beside)
        given = {name: None if t is None else t[self._index] for name, t in beside.items()}
        return Batch(x[self._index], y[self._index], **given)

    def _weighed(self, rows: Tensor, y: Tensor) -> Tensor | None:
        """Returns the weights of training examples, [S, B]: by class, by row, or the product of both."""
        by_class = None if self._class_weights is None else self._class_weights.gather(1, y)
        if self._weights is None:
            return by_class
        return self._weights[rows] if by_class is None else self._weights[rows] * by_class

    def _each(self, raw: NDArray[np.float64]) -> Tensor:
        """Returns the inputs of all rows as fitted to the training rows of each seed, [S, N, *shape]."""
        first, *others = self._fitted
        seen = views.apply(first.inputs(raw), self._table.axes, self._view)
        # Filled one seed at a time, because stacking a list would need twice the memory.
        every = torch.empty(len(self._fitted), *seen.shape, device=self._device)
        every[0] = seen
        for i, one in enumerate(others, start=1):
            every[i] = views.apply(one.inputs(raw), self._table.axes, self._view)
        return every

    def _augmented(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        parts = [
            augment.apply(one, augment.parameters(self._augment, one.shape[0], height, width, raw))
            for one, raw in zip(x.unbind(0), self._draws, strict=True)
        ]
        return torch.stack(parts)

    def _viewed_statistics(self, one: Split) -> tuple[Tensor, Tensor]:
        mean, scale = normalise.statistics(self._table, one.train)
        shape = self._table.shape
        return (
            views.apply(mean.expand(shape), self._table.axes, self._view),
            views.apply(scale.expand(shape), self._table.axes, self._view),
        )
