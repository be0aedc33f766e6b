"""The replicas of one stack: what each of them is, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dropbench.data.batch import Batch
from dropbench.engine import stack
from dropbench.engine.batches import Batches
from dropbench.engine.members import Members
from dropbench.engine.noise import StackNoise
from dropbench.engine.objective import losses
from dropbench.planning.outline import Outline
from dropbench.spec import RunSpec, TrainSpec

Metric = Callable[[Tensor, Tensor], Tensor]
"""Of output and target, as `objective.compared` gives them, a number each replica, [K]."""
Probe = Callable[..., dict[str, Tensor]]
"""Of a network and the name of a part, numbers [K] and rows [K, m] by name: see metrics/probe.py."""


@dataclass(frozen=True)
class Replicas:
    """K runs as one stacked model, with the noise that it meets and the batches that it reads, each in the order of `specs`."""

    specs: tuple[RunSpec, ...]
    model: nn.Module
    noise: StackNoise
    batches: Batches
    outline: Outline
    device: torch.device
    metrics: Mapping[str, Metric]
    probes: Mapping[str, Probe]
    foreign: Mapping[str, Tensor]
    """Examples of other data that probes set those of the runs against, by name: see `planning.sources.others`."""
    chunk: int
    """Examples that are evaluated at once. It must not depend on K: a product's rounding depends on its size."""
    members: Members | None = None
    """Networks whose probabilities are averaged with the model's, where what is evaluated is an ensemble."""

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def train(self) -> TrainSpec:
        """The settings of training; learning rate and weight decay are each replica's own."""
        return self.specs[0].train

    @property
    def monitored_direction(self) -> str:
        """Which values are better of the metric that training monitors; nothing is known of one that is not measured."""
        metric = self.specs[0].metric.get(self.train.monitored)
        return "neither" if metric is None else metric.of_task.get(self.outline.task, metric).direction

    @property
    def noise_chunk(self) -> int:
        """How many examples of a chunk have noise of their own."""
        return self.outline.noise_batch(self.chunk)

    @property
    def seeds(self) -> list[int]:
        """Each replica's seed."""
        return [s.seed for s in self.specs]

    def answer(self, x: Tensor) -> Tensor:
        """What is evaluated of inputs [K, B, ...]: the model's output, or that of an ensemble as logits."""
        if self.members is not None:
            return self.members.logits(self.model, x, self.noise)
        output: Tensor = self.model(x, self.noise)
        return output

    def losses(self, batch: Batch) -> Tensor:
        """Each replica's mean loss over its batch, [K], with the noise on."""
        with self.autocast():
            output = self.model(batch.x, self.noise)
        return self.losses_of(output, batch)

    def losses_of(self, output: Tensor, batch: Batch) -> Tensor:
        """Each replica's mean loss of what its model made of a batch, [K]."""
        return losses(self.outline.task, output, batch, self.train)

    def autocast(self) -> AbstractContextManager[object]:
        """The precision in which these runs compute."""
        if self.train.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def extracted(self, chosen: Tensor) -> Replicas:
        """A copy of the replicas at these places [n] int64, whose model shares nothing with the original."""
        return self._with_model(stack.extract(self.model, chosen), chosen)

    def narrowed(self, chosen: Tensor) -> Replicas:
        """The replicas at these places [n] int64, which take the place of these: the model is narrowed in place."""
        stack.narrow(self.model, chosen)
        return self._with_model(self.model, chosen)

    def _with_model(self, model: nn.Module, chosen: Tensor) -> Replicas:
        return replace(
            self,
            specs=tuple(self.specs[k] for k in chosen.tolist()),
            model=model,
            noise=self.noise.narrowed(chosen),
            batches=self.batches.narrowed(chosen),
            members=None if self.members is None else self.members.narrowed(chosen),
        )
