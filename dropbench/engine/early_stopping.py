"""Early stopping for each replica: keeps the best epoch so far and its weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dropbench.engine.stack import state
from dropbench.spec import TrainSpec


class EarlyStopping:
    """Early stopping by `train.patience`. Without it every run trains to its last epoch, and that epoch is chosen.

    With `patience`, a replica stops once that many epochs have passed since its best value of `monitor`; of equal values the
    first is best. With `restore_best` the best epoch is chosen and its weights are restored for the test; without it the
    last epoch is chosen.
    """

    def __init__(self, train: TrainSpec, model: nn.Module, replicas: int, direction: str) -> None:
        """direction: `higher` if greater values of `monitor` are better; with any other word smaller values are."""
        self._patience = train.patience
        self._monitor = train.monitor
        self._sign = 1.0 if direction == "higher" else -1.0
        self._keeping = train.patience is not None and train.restore_best
        self._best = [-float("inf")] * replicas
        self._best_epoch = [0] * replicas
        self._weights = {name: t.detach().clone() for name, t in state(model).items()} if self._keeping else {}

    def update(self, epoch: int, scores: dict[str, Tensor], model: nn.Module) -> list[bool]:
        """Takes the scores of an epoch (empty if it was not evaluated) and returns for each replica whether it stops."""
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
        """Returns the epoch, from 1, with whose weights replica `k` is tested if it ends after epoch `last`.

        It is 0 if the best epoch is to be restored and there is none yet.
        """
        return self._best_epoch[k] if self._keeping else last

    @torch.no_grad()
    def restore(self, model: nn.Module, replicas: Tensor) -> None:
        """Copies the weights of the chosen epochs into `model`, which holds exactly these replicas."""
        tensors = state(model)
        for name, held in self._weights.items():
            tensors[name].copy_(held[replicas])

    def weights(self) -> dict[str, Tensor]:
        """Returns references to the best weights so far, [K, ...] by name; empty if none are kept."""
        return self._weights

    def best(self, k: int) -> tuple[float, int]:
        """Returns replica `k`'s best value so far and its epoch. The sign of the value is such that greater is better."""
        return self._best[k], self._best_epoch[k]

    def resume(self, best: Sequence[tuple[float, int]]) -> None:
        """Continues from the result of `best` for each replica; the caller must fill `weights`."""
        self._best, self._best_epoch = [value for value, _ in best], [epoch for _, epoch in best]

    def narrow(self, replicas: Tensor) -> None:
        """Keeps only the replicas at these places."""
        chosen = replicas.tolist()
        self._best = [self._best[k] for k in chosen]
        self._best_epoch = [self._best_epoch[k] for k in chosen]
        self._weights = {name: t[replicas] for name, t in self._weights.items()}
