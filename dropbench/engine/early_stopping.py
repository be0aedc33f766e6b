"""Early stopping, replica by replica: which epoch is best so far, and the weights it had."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dropbench.engine.stack import state
from dropbench.spec import TrainSpec


class EarlyStopping:
    """Without `patience` it does nothing: every run goes to its last epoch, and that one is chosen.

    With it, a replica is over once `patience` epochs have passed since its best `monitor`; the first of equals is best.
    With `restore_best` the best epoch is chosen and its weights come back for the test, otherwise the last.
    """

    def __init__(self, train: TrainSpec, model: nn.Module, replicas: int, direction: str) -> None:
        """direction: `higher` where the greater of two values of `monitor` is better, else the smaller is."""
        self._patience = train.patience
        self._monitor = train.monitor
        self._sign = 1.0 if direction == "higher" else -1.0
        self._keeping = train.patience is not None and train.restore_best
        self._best = [-float("inf")] * replicas
        self._best_epoch = [0] * replicas
        self._weights = {name: t.detach().clone() for name, t in state(model).items()} if self._keeping else {}

    def update(self, epoch: int, scores: dict[str, Tensor], model: nn.Module) -> list[bool]:
        """Whether each replica is over. `scores` is empty in an epoch without evaluation."""
        if self._patience is None or not scores:
            return [False] * len(self._best)
        values = (self._sign * scores[self._monitor]).tolist()
        better = [k for k, (value, best) in enumerate(zip(values, self._best, strict=True)) if value > best]
        for k in better:
            self._best[k], self._best_epoch[k] = values[k], epoch
        if self._keeping and better:
            tensors = state(model)
            for name, held in self._weights.items():
                held[better] = tensors[name].detach()[better]
        return [epoch - best >= self._patience for best in self._best_epoch]

    def chosen(self, k: int, last: int) -> int:
        """The epoch, from 1, whose weights replica `k` is tested with if it ends after epoch `last`; 0 if none was best yet."""
        return self._best_epoch[k] if self._keeping else last

    @torch.no_grad()
    def restore(self, model: nn.Module, replicas: Tensor) -> None:
        """Gives `model`, which holds just these replicas, the weights of their chosen epochs."""
        tensors = state(model)
        for name, held in self._weights.items():
            tensors[name].copy_(held[replicas])

    def weights(self) -> dict[str, Tensor]:
        """References to the best weights so far, [K, ...] by name; empty where none are kept."""
        return self._weights

    def best(self, k: int) -> tuple[float, int]:
        """Replica `k`'s best value so far, in the sense in which more is better, and its epoch."""
        return self._best[k], self._best_epoch[k]

    def resume(self, best: Sequence[tuple[float, int]]) -> None:
        """Goes on with what `best` said of each replica; `weights` are the caller's to fill."""
        self._best, self._best_epoch = [value for value, _ in best], [epoch for _, epoch in best]

    def narrow(self, replicas: Tensor) -> None:
        """Goes on with the replicas at these places only."""
        chosen = replicas.tolist()
        self._best = [self._best[k] for k in chosen]
        self._best_epoch = [self._best_epoch[k] for k in chosen]
        self._weights = {name: t[replicas] for name, t in self._weights.items()}
