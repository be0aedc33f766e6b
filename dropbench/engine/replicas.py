"""The replicas of one stack: their specs, and the model, noise and batches that they share."""

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
"""A function of output and target, as `objective.compared` returns them, that returns one number per replica, [K]."""
Probe = Callable[..., dict[str, Tensor]]
"""A function of a network and the name of a split that returns numbers [K] and rows [K, m] by name: see metrics/probe.py."""


@dataclass(frozen=True)
class Replicas:
    """K runs as one stacked model with its noise and its batches, all in the order of `specs`."""

    specs: tuple[RunSpec, ...]
    model: nn.Module
    noise: StackNoise
    batches: Batches
    outline: Outline
    device: torch.device
    metrics: Mapping[str, Metric]
    probes: Mapping[str, Probe]
    foreign: Mapping[str, Tensor]
    """Examples of other data with which probes compare the runs' own, by name: see `planning.sources.others`."""
    chunk: int
    """The number of examples evaluated at once. It must not depend on K, because the rounding of products depends on it."""
    members: Members | None = None
    """The networks whose probabilities are averaged with the model's; None if no ensemble is evaluated."""

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def train(self) -> TrainSpec:
        """The training settings that the replicas share; each has its own learning rate and weight decay."""
        return self.specs[0].train

    @property
    def monitored_direction(self) -> str:
        """Which values of the monitored metric are better: "higher" or "lower"; "neither" if it is not measured."""
        metric = self.specs[0].metric.get(self.train.monitored)
        return "neither" if metric is None else metric.of_task.get(self.outline.task, metric).direction

    @property
    def noise_chunk(self) -> int:
        """The number of examples in a chunk that have noise of their own."""
        return self.outline.noise_batch(self.chunk)

    @property
    def seeds(self) -> list[int]:
        """Each replica's seed."""
        return [s.seed for s in self.specs]

    def answer(self, x: Tensor) -> Tensor:
        """Returns the output to evaluate for inputs [K, B, ...]: the model's own, or the logits of its ensemble."""
        if self.members is not None:
            return self.members.logits(self.model, x, self.noise)
        output: Tensor = self.model(x, self.noise)
        return output

    def losses(self, batch: Batch) -> Tensor:
        """Returns each replica's mean loss over its batch, [K], with the noise on."""
        with self.autocast():
            output = self.model(batch.x, self.noise)
        return self.losses_of(output, batch)

    def losses_of(self, output: Tensor, batch: Batch) -> Tensor:
        """Returns each replica's mean loss, [K], for the output of its model on a batch."""
        return losses(self.outline.task, output, batch, self.train)

    def autocast(self) -> AbstractContextManager[object]:
        """Returns a context manager for the precision in which these runs compute."""
        if self.train.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def extracted(self, chosen: Tensor) -> Replicas:
        """Returns a copy of the replicas at these places [n] int64; its model shares no tensors with the original."""
        return self._with_model(stack.extract(self.model, chosen), chosen)

    def narrowed(self, chosen: Tensor) -> Replicas:
        """Returns the replicas at these places [n] int64, which replace this object, because the model is narrowed in place."""
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
