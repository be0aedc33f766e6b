"""What several networks of each replica say together: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dropbench.engine.learned import LearnedRates
from dropbench.engine.noise import StackNoise
from dropbench.engine.stack import state
from dropbench.engine.tape import Tape
from dropbench.nn.activation import one_by_one
from dropbench.regularizers.base import Member

_exp, _log = one_by_one(torch.exp), one_by_one(torch.log)
_LEAST = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Members:
    """Networks beside that whose weights a stack has now, and that tells classes."""

    others: Sequence[Member]

    @torch.no_grad()
    def logits(self, model: nn.Module, x: Tensor, noise: StackNoise) -> Tensor:
        """[K, B, C] float32, whose softmax is the mean of the probabilities; of a replica without members, its own logits.

        Where the noise is on, all of a replica's networks are under the same masks, so that what is drawn does not depend on
        how many they are.
        """
        inner = model.model if isinstance(model, LearnedRates) else model
        tensors = state(inner)
        own = {name: tensors[name].clone() for name in self.others[0].weights}
        noise.tape(Tape)
        alone = model(x, noise).float()
        total, counted = _probabilities(alone), torch.ones(len(alone), 1, 1, dtype=torch.float64, device=alone.device)
        try:
            for member in self.others:
                _fill(tensors, member.weights)
                noise.rewind()
                counts = member.counts.view(-1, 1, 1)
                # Not by a product with zero: what a replica does not count may be infinite.
                total = torch.where(counts, total + _probabilities(model(x, noise).float()), total)
                counted = counted + counts
        finally:
            _fill(tensors, own)
            noise.tape(lambda: None)
        mean = _log((total / counted).clamp(min=_LEAST)).float()
        return torch.where(counted > 1, mean, alone)

    def narrowed(self, chosen: Tensor) -> Members | None:
        """Those of the replicas at these places [n] int64."""
        narrower = [Member({n: t[chosen] for n, t in m.weights.items()}, m.counts[chosen]) for m in self.others]
        others = [m for m in narrower if bool(m.counts.any())]
        return Members(others) if others else None


def averaged(logits: Sequence[Tensor]) -> Tensor:
    """Logits [..., C] of networks as those of one, whose softmax is the mean of their probabilities."""
    mean = torch.stack([_probabilities(one) for one in logits]).mean(0)
    return torch.log(mean.clamp(min=_LEAST)).float()


def _probabilities(logits: Tensor) -> Tensor:
    return _exp(torch.log_softmax(logits.double(), -1))


def _fill(tensors: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        tensors[name].copy_(value)
