"""SGD, Adam and AdamW for a stack by torch's fused kernels; each replica has its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.engine.incoming import vectors
from dropbench.engine.learned import LearnedRates
from dropbench.engine.user_module import Ordinary
from dropbench.nn.pace import Pace, paces
from dropbench.planning.decay import VECTORS, exempt
from dropbench.spec import TrainSpec

_BETAS = (0.9, 0.999)
"""Adam's betas; the second one is used if `train.beta2` is not set."""
_EPS = 1e-8
_VECTOR = 16
"""float32 numbers in the widest vector register (AVX-512)."""


@dataclass(frozen=True)
class Group:
    """Consecutive replicas `start:stop` that share learning rate and weight decay, so that one kernel call updates them."""

    start: int
    stop: int
    lr: float
    weight_decay: float

    def of(self, tensors: list[Tensor], replicas: int) -> list[Tensor]:
        """Returns this group's rows of each tensor of a stack of `replicas`."""
        return tensors if self.stop - self.start == replicas else [t[self.start : self.stop] for t in tensors]


class StackedOptimizer:
    """Updates stacked parameters [K, ...] in place, each replica as `torch.optim` with the same settings would by itself.

    The kernels are called directly and not through `torch.optim`, because its first step costs 1.5 s of imports and its
    parameter groups cannot hold slices of a parameter.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        train: TrainSpec,
        lrs: Sequence[float],
        decays: Sequence[float],
        paces: Sequence[Pace] = (),
    ) -> None:
        """paces: the factors of learning rate and weight decay of each parameter; if empty, all are 1."""
        self._parameters = list(parameters)
        self._paces = list(paces) or [Pace()] * len(self._parameters)
        self._beta2 = _BETAS[1] if train.beta2 is None else train.beta2
        self._train = train
        self._replicas = list(zip(lrs, decays, strict=True))
        self._groups = _groups(self._replicas)
        buffers = {"sgd": 1 if train.momentum or train.momentum_start else 0, "adam": 2, "adamw": 2}[train.optimizer]
        self._spare = [-p[0].numel() % _VECTOR for p in self._parameters]
        self._state = [list(map(torch.zeros_like, self._in_vectors(self._parameters))) for _ in range(buffers)]
        self._momentum = train.momentum
        self._step = torch.zeros((), device=self._parameters[0].device)

    @torch.no_grad()
    def step(self, factor: float, decay_factor: float = 1.0, momentum: float | None = None) -> None:
        """Makes one update from the parameters' `grad`.

        Each replica's learning rate is multiplied by `factor` and its weight decay by `decay_factor`; both follow from the
        schedules. `momentum` is SGD's momentum in this update; None: the one in the settings.
        """
        self._step += 1
        self._momentum = self._train.momentum if momentum is None else momentum
        for pace in sorted(set(self._paces)):
            self._update(pace, factor * pace.lr, decay_factor * pace.decay)

    def _update(self, pace: Pace, factor: float, decay_factor: float) -> None:
        train = self._train
        grads = [p.grad for p in self._parameters]
        whole = [self._in_vectors(self._parameters), self._in_vectors(grads), *self._state]
        # A user's model may freeze a parameter or leave it unused.
        trained = [i for i, grad in enumerate(whole[1]) if grad is not None and self._paces[i] == pace]
        if not trained:
            return
        if len(trained) < len(self._parameters):
            whole = [[tensors[i] for i in trained] for tensors in whole]
        for group in self._groups:
            decay = group.weight_decay * decay_factor
            values, given, *state = (group.of(tensors, len(self._replicas)) for tensors in whole)
            if train.optimizer == "sgd":
                torch._fused_sgd_(
                    values,
                    given,
                    state[0] if state else [],
                    weight_decay=decay,
                    momentum=self._momentum,
                    lr=group.lr * factor,
                    dampening=0.0,
                    nesterov=train.nesterov,
                    maximize=False,
                    is_first_step=False,  # with momentum buffers of zeros the first step is like any other
                )
            else:
                kernel = torch._fused_adam_ if train.optimizer == "adam" else torch._fused_adamw_
                kernel(
                    values,
                    given,
                    state[0],
                    state[1],
                    [],
                    [self._step] * len(values),
                    lr=group.lr * factor,
                    beta1=_BETAS[0],
                    beta2=self._beta2,
                    weight_decay=decay,
                    eps=_EPS,
                    amsgrad=False,
                    maximize=False,
                )
        for i, value in zip(trained, whole[0], strict=True):
            if self._spare[i]:
                parameter = self._parameters[i]
                parameter.copy_(value[:, : -self._spare[i]].view_as(parameter))

    def _in_vectors(self, tensors: Sequence[Tensor | None]) -> list[Any]:
        """Pads tensors of the parameters' shapes with zeros so that each replica fills whole vector registers.

        The kernels process a tensor's last elements, which do not fill a register, in scalar code that rounds differently. So
        a replica's result would depend on whether it is the last of its stack. A padded tensor is a copy, [K, n]; the others
        are returned as they are.
        """
        return [
            F.pad(t.reshape(t.shape[0], -1), (0, spare)) if spare and t is not None else t
            for t, spare in zip(tensors, self._spare, strict=True)
        ]

    def lrs(self, factor: float) -> list[float]:
        """Returns each replica's learning rate for a factor of the schedule."""
        return [lr * factor for lr, _ in self._replicas]

    def moments(self) -> list[list[Tensor]]:
        """Returns references to the momentum buffers: for each kind of buffer one tensor [K, ...] per parameter."""
        return self._state

    def resume(self, updates: int) -> None:
        """Continues as after this number of updates; the caller must fill `moments`."""
        self._step.fill_(updates)

    def narrow(self, replicas: Tensor) -> None:
        """Keeps only these replicas; the parameters have been narrowed already."""
        self._state = [[s[replicas] for s in buffer] for buffer in self._state]
        self._replicas = [self._replicas[i] for i in replicas.tolist()]
        self._groups = _groups(self._replicas)


def _groups(replicas: Sequence[tuple[float, float]]) -> list[Group]:
    groups = []
    for (lr, decay), run in groupby(enumerate(replicas), key=lambda pair: pair[1]):
        places = [i for i, _ in run]
        groups.append(Group(places[0], places[-1] + 1, lr, decay))
    return groups


def paces_of(model: nn.Module, patterns: Sequence[str]) -> list[Pace]:
    """Returns the factors of a stack's parameters, without weight decay on learned rates and on those that `patterns` match."""
    said = zip(paces(model), _undecayed(model, patterns), strict=True)
    return [pace._replace(decay=0.0) if off else pace for pace, off in said]


def _undecayed(model: nn.Module, patterns: Sequence[str]) -> list[bool]:
    """Returns for each parameter whether it is exempt from weight decay."""
    inner = model.model if isinstance(model, LearnedRates) else model
    names = {held_as: name for name, held_as in inner.names.items()} if isinstance(inner, Ordinary) else {}
    own = {id(p): (names.get(held_as, held_as), p) for held_as, p in inner.named_parameters()}
    chosen = exempt([name for name, _ in own.values()], patterns)
    if VECTORS in patterns:
        chosen |= {names.get(held_as, held_as) for held_as in vectors(inner)}
    return [id(p) not in own or own[id(p)][0] in chosen for p in model.parameters()]
