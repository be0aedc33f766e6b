"""Snapshot ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Given, Member, Regularizer, Slot, Tensors, per_replica


class SnapshotEnsemble(Regularizer):
    """Keeps the weights at the end of each cycle of the learning rate and evaluates the mean of their probabilities.

    Huang, Li, Pleiss, Liu, Hopcroft & Weinberger 2017, "Snapshot Ensembles: Train 1, Get M for Free", arXiv:1704.00109. For
    restarts, set `train.schedule=cosine_restarts train.cycles=M`. With a schedule without restarts, the snapshots are taken
    at the ends of M equal parts of training, which is the paper's "NoCycle". As in the paper, the last `members` snapshots
    are evaluated; before the first one, the current weights.

    Class probabilities are averaged. Each network's batch norm uses the running statistics of its snapshot. Measurements
    that do not use logits, such as probes, use the last snapshot.
    """

    slot: ClassVar[Slot] = "average"

    def __init__(
        self, *, members: Annotated[int, Ge(0), Le(1000)] = 5, cycles: Annotated[int, Gt(0), Le(1000)] = 5
    ) -> None:
        """members: how many of the last snapshots are averaged; 1: the last one only. cycles: M."""
        self._members, self._cycles = members, cycles

    @override
    def supports(self, given: Given) -> str | None:
        if given.task != "classify":
            return "averages probabilities of classes, and this model predicts no classes"
        if given.cycles not in (None, self._cycles):
            return (
                f"takes {self._cycles} snapshots, but the learning rate has {given.cycles} cycles (train.cycles); set "
                f"regularizer.snapshot_ensemble.cycles={given.cycles}"
            )
        if self._members > self._cycles:
            return (
                f"has only {self._cycles} cycles and cannot average the last {self._members} snapshots; set "
                f"regularizer.snapshot_ensemble.members={self._cycles}"
            )
        return None

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        held = {
            name: t.new_zeros(len(t), self._cycles, *t.shape[1:])
            for name, t in tensors.items()
            if t.is_floating_point()
        }
        any_one = next(iter(held.values()))
        at = any_one.new_zeros(len(any_one), dtype=torch.float64)
        return {**held, _DONE: at, _UPDATE: at.clone()}

    @override
    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        update = state[_UPDATE]
        update.copy_(torch.where(update == 0, done, update))  # the first update is all that is done
        state[_DONE].fill_(done)
        # Each cycle has one place, which every update of the cycle overwrites. The middle of an update decides its cycle, as
        # for the learning rate; it is the same for all replicas.
        cycle = self._over(done - update / 2).clamp(max=self._cycles - 1)[:1]
        for name, held in _snapshots(state):
            held.index_copy_(1, cycle, tensors[name][:, None])

    @override
    def evaluated(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        over = self._over(state[_DONE] + state[_UPDATE] / 2)
        acts = (strength > 0) & (over > 0)
        rows, last = torch.arange(len(over), device=over.device), (over - 1).clamp(min=0)
        return {
            name: torch.where(per_replica(acts, tensors[name]), held[rows, last], tensors[name])
            for name, held in _snapshots(state)
        }

    @override
    def ensemble(self, strength: Tensor, state: Mapping[str, Tensor], done: Tensor) -> Sequence[Member]:
        over = self._over(done + state[_UPDATE] / 2)
        found = []
        for cycle in range(self._cycles):
            before_the_last = over - 1 - cycle
            counts = (before_the_last > 0) & (before_the_last < strength)
            if bool(counts.any()):
                found.append(Member({name: held[:, cycle] for name, held in _snapshots(state)}, counts))
        return found

    def _over(self, share: Tensor) -> Tensor:
        """Returns how many cycles are over at a share of training, [K] int64, with a tolerance for rounding."""
        return (share * self._cycles + 1e-9).floor().long().clamp(max=self._cycles)


def _snapshots(state: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Returns the snapshots of each tensor, [K, cycles, ...], with its name."""
    return [(name, held) for name, held in state.items() if name not in (_DONE, _UPDATE)]


_DONE, _UPDATE = "share of training", "share of an update"
