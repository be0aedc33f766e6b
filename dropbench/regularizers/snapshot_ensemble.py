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
    """The weights at the end of each cycle of the learning rate are kept, and the mean of their probabilities is evaluated.

    Huang, Li, Pleiss, Liu, Hopcroft & Weinberger 2017, "Snapshot Ensembles: Train 1, Get M for Free", arXiv:1704.00109. The
    restarts are `train.schedule=cosine_restarts train.cycles=M`; under a schedule without restarts the snapshots are those at
    the ends of M equal parts of training, which is the paper's "NoCycle". What counts are the last `members` of the cycles that
    are over, as in the paper; until the first is, the weights as they are.

    Class probabilities are averaged, each network's batch norm with the running statistics that it had. What is not of
    logits, as probes are, is of the last snapshot.
    """

    slot: ClassVar[Slot] = "average"

    def __init__(
        self, *, members: Annotated[int, Ge(0), Le(1000)] = 5, cycles: Annotated[int, Gt(0), Le(1000)] = 5
    ) -> None:
        """members: how many of the last snapshots are averaged; 1: the last alone. cycles: M."""
        self._members, self._cycles = members, cycles

    @override
    def supports(self, given: Given) -> str | None:
        if given.task != "classify":
            return "averages probabilities of classes, and what is learnt here is no classes"
        if given.cycles not in (None, self._cycles):
            return (
                f"takes {self._cycles} snapshots, and the learning rate has {given.cycles} cycles (train.cycles); set "
                f"regularizer.snapshot_ensemble.cycles={given.cycles}"
            )
        if self._members > self._cycles:
            return (
                f"has {self._cycles} cycles, and cannot average the last {self._members} snapshots; set "
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
        update.copy_(torch.where(update == 0, done, update))  # the first is all that is done
        state[_DONE].fill_(done)
        # Each cycle has a place, which the last of its updates writes last. An update is where its middle is, as for the
        # learning rate; it is the same for all replicas.
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
        """How many cycles are over at a share of training, [K] int64; what is computed is rounded, so a little more counts."""
        return (share * self._cycles + 1e-9).floor().long().clamp(max=self._cycles)


def _snapshots(state: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """What is kept of each tensor, [K, cycles, ...]."""
    return [(name, held) for name, held in state.items() if name not in (_DONE, _UPDATE)]


_DONE, _UPDATE = "share of training", "share of an update"
