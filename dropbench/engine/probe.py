"""Measurements that need more than logits, taken once a run on its chosen weights: see metrics/probe.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dropbench.engine import stack
from dropbench.engine.evaluate import evaluating
from dropbench.engine.example_batches import ExampleBatches
from dropbench.engine.replicas import Replicas
from dropbench.engine.streams import StackedWords


def is_probe(measurement: Callable[..., object]) -> bool:
    """Whether it asks for a `network`; what it asks for otherwise are logits."""
    try:
        return next(iter(inspect.signature(measurement).parameters), "") == "network"
    except ValueError:  # compiled functions do not say
        return False


def probe(replicas: Replicas) -> dict[str, Tensor]:
    """`<part>_<name>` of each on train, validation and test, and `gap_<name>`, [K] each; rows [K, m] have no gap."""
    network = Probed(replicas)
    measured: dict[str, Tensor] = {}
    for measure in replicas.probes.values():
        with evaluating(replicas), replicas.autocast():
            train, val, test = (measure(network, part) for part in ("train", "val", "test"))
        for part, values in (("train", train), ("val", val), ("test", test)):
            measured |= {f"{part}_{name}": value for name, value in values.items()}
        measured |= {f"gap_{n}": value - val[n] for n, value in train.items() if n in val and value.ndim == 1}
    return measured


class Probed:
    """Trained replicas as probes see them: the `Network` of metrics/probe.py."""

    def __init__(self, replicas: Replicas) -> None:
        self.model, self.noise = replicas.model, replicas.noise
        how = replicas.specs[0].eval
        self.passes = how.passes or 0 if how.mode == "mc" else 0
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self._replicas = replicas
        # What a layer makes, not what it is given; and where units are, counted from the end.
        kinds, given = ("activation", "feedforward"), ("input", "embedded")
        hidden = [s for s in replicas.outline.sites if s.kind in kinds and s.name not in given]
        self._units = {s.name: i - len(s.axes) for s in hidden for i, axis in enumerate(s.axes) if axis in "FC"}

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        stack.begin(self.model)
        for batch in self._replicas.batches.part(part, self._replicas.chunk):
            yield batch.x, batch.y

    def logits(self, x: Tensor) -> Tensor:
        output: Tensor = self.model(x, self.noise)
        return output.float()

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        seen: dict[str, Tensor] = {}

        def keep(site: str, h: Tensor) -> Tensor:
            seen[site] = h
            return h

        self.model(x, self.noise.edited(keep))
        return {
            name: seen[name].float().movedim(axis, -1).flatten(1, -2)
            for name, axis in self._units.items()
            if name in seen
        }

    def without(self, x: Tensor, site: str, unit: int) -> Tensor:
        def edit(name: str, h: Tensor) -> Tensor:
            index = torch.tensor([unit], device=h.device)
            return h.index_fill(self._units[site], index, 0) if name == site else h

        output: Tensor = self.model(x, self.noise.edited(edit))
        return output.float()

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        batches = self._replicas.batches
        assert isinstance(batches, ExampleBatches)  # running text is compared with nothing: see outline.others
        stack.begin(self.model)
        x = self._replicas.foreign[data]
        n = min(len(x), examples)
        yield from batches.foreign(x[torch.arange(n) * len(x) // n], self._replicas.chunk)

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        noise = self.noise.forked(stream, self._replicas.noise_chunk)
        noise.training = True

        def logits(x: Tensor) -> Tensor:
            output: Tensor = self.model(x, noise)
            return output.float()

        return logits

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        return StackedWords(self._replicas.seeds, stream, self.parameters[0].device).uniform

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        return StackedWords(self._replicas.seeds, stream, self.parameters[0].device).normal
