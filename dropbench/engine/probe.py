"""Runs probes, which are measurements that need more than logits, once per run on its chosen weights: see metrics/probe.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from dropbench.engine import stack, statistics
from dropbench.engine.evaluate import evaluating
from dropbench.engine.example_batches import ExampleBatches
from dropbench.engine.learned import LearnedRates
from dropbench.engine.noise import StackNoise
from dropbench.engine.replicas import Replicas
from dropbench.engine.streams import StackedDraws


def is_probe(measurement: Callable[..., object]) -> bool:
    """Returns whether a measurement takes a `network` as its first parameter; if not, it is a metric of logits."""
    try:
        return next(iter(inspect.signature(measurement).parameters), "") == "network"
    except ValueError:  # some compiled functions have no signature
        return False


def probe(replicas: Replicas) -> dict[str, Tensor]:
    """Returns each probe's numbers [K] as `train_<name>`, `val_<name>`, `test_<name>` and `gap_<name>`.

    Rows [K, m] have no gap.
    """
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
    """The trained replicas in the form that probes get: implements `Network` of metrics/probe.py."""

    def __init__(self, replicas: Replicas) -> None:
        self.model, self.noise = replicas.model, replicas.noise
        how = replicas.specs[0].eval
        self.passes = how.passes or 0 if how.mode == "mc" else 0
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self._replicas = replicas
        self._units = replicas.outline.units
        self.kinds: Mapping[str, str] = {s.name: s.kind for s in replicas.outline.usual}
        self.batch_norm = replicas.outline.batch_norm

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalised inputs [K, B, *shape] and classes [K, B] of a part, in pieces."""
        stack.begin(self.model)
        for batch in self._replicas.batches.part(part, self._replicas.chunk):
            yield batch.x, batch.y

    def logits(self, x: Tensor) -> Tensor:
        """Returns the logits [K, B, C] float32 with the noise off."""
        output: Tensor = self.model(x, self.noise)
        return output.float()

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Returns the input of each site behind a hidden layer, [K, n, units], by the name of the site."""
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
        """Returns the logits with one unit of a site set to zero."""

        def edit(name: str, h: Tensor) -> Tensor:
            index = torch.tensor([unit], device=h.device)
            return h.index_fill(self._units[site], index, 0) if name == site else h

        output: Tensor = self.model(x, self.noise.edited(edit))
        return output.float()

    def changed(self, change: Callable[[str, Tensor], Tensor], stream: str | None = None) -> Callable[[Tensor], Tensor]:
        """Returns a function like `logits`, or given a stream like that of `noisy`, in which `change` acts after each site."""
        noise = (self.noise if stream is None else self._forked(stream)).changed(change)

        def logits(x: Tensor) -> Tensor:
            output: Tensor = self.model(x, noise)
            return output.float()

        return logits

    @torch.no_grad()
    def by_batch(self, x: Tensor) -> Tensor:
        """Returns the logits with batch norm using the statistics of these examples, without changing the running ones."""
        before = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.model.train()
        try:
            return self.logits(x)
        finally:
            self.model.eval()
            for name, buffer in self.model.named_buffers():
                buffer.copy_(before[name])

    def statistics(self) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Yields each batch norm's running mean and variance, and those of the training examples without noise; [K, C] each."""
        own = self.model.model if isinstance(self.model, LearnedRates) else self.model
        self.model.train()
        try:
            without = statistics.of_training(self._replicas, own, self.noise)
        finally:
            self.model.eval()
        held = dict(own.named_buffers())
        names = list(without)  # batch norm registers its mean, then its variance, so they come in pairs
        for mean, variance in zip(names[::2], names[1::2], strict=True):
            yield (held[mean], held[variance]), (without[mean], without[variance])

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        """Yields at most `examples` examples of other data, evenly spaced and normalised like the run's own, in pieces."""
        batches = self._replicas.batches
        # Running text is not compared with other data: see planning.sources.others.
        assert isinstance(batches, ExampleBatches)
        stack.begin(self.model)
        x = self._replicas.foreign[data]
        n = min(len(x), examples)
        yield from batches.foreign(x[torch.arange(n) * len(x) // n], self._replicas.chunk)

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """Returns a function that returns the logits with fresh masks at each call, from a stream of that name."""
        noise = self._forked(stream)

        def logits(x: Tensor) -> Tensor:
            output: Tensor = self.model(x, noise)
            return output.float()

        return logits

    def _forked(self, stream: str) -> StackNoise:
        noise = self.noise.forked(stream, self._replicas.noise_chunk)
        noise.training = True
        return noise

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """Returns a function of a shape that draws float32 in [0, 1), [K, *shape], from a stream of that name."""
        return StackedDraws(self._replicas.seeds, stream, self.parameters[0].device).uniform

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """Returns a function of a shape that draws standard normals, [K, *shape], from a stream of that name."""
        return StackedDraws(self._replicas.seeds, stream, self.parameters[0].device).normal
