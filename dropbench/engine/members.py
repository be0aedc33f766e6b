"""Ensembles within a replica: the mean of the probabilities of several networks."""

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
    """Further networks of a stack of classifiers, whose probabilities are averaged with those at the current weights."""

    others: Sequence[Member]

    @torch.no_grad()
    def logits(self, model: nn.Module, x: Tensor, noise: StackNoise) -> Tensor:
        """Returns logits [K, B, C] float32 whose softmax is the mean probability; a replica without members gets its own.

        If the noise is on, all networks of a replica have the same masks, so that the number of draws does not depend on the
        number of networks.
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
                # Not multiplied by zero, because the output of a network that does not count may be infinite.
                total = torch.where(counts, total + _probabilities(model(x, noise).float()), total)
                counted = counted + counts
        finally:
            _fill(tensors, own)
            noise.tape(lambda: None)
        mean = _log((total / counted).clamp(min=_LEAST)).float()
        return torch.where(counted > 1, mean, alone)

    def narrowed(self, chosen: Tensor) -> Members | None:
        """Returns the members of the replicas at these places [n] int64, or None if there are none."""
        narrower = [Member({n: t[chosen] for n, t in m.weights.items()}, m.counts[chosen]) for m in self.others]
        others = [m for m in narrower if bool(m.counts.any())]
        return Members(others) if others else None


def averaged(logits: Sequence[Tensor]) -> Tensor:
    """Combines the logits [..., C] of several networks into logits whose softmax is the mean of their probabilities."""
    mean = torch.stack([_probabilities(one) for one in logits]).mean(0)
    return torch.log(mean.clamp(min=_LEAST)).float()


def _probabilities(logits: Tensor) -> Tensor:
    return _exp(torch.log_softmax(logits.double(), -1))


def _fill(tensors: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        tensors[name].copy_(value)
