"""Measurements that need more than logits, taken once a run on its chosen weights: see metrics/probe.py."""

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
        self._units = replicas.outline.units
        self.kinds: Mapping[str, str] = {s.name: s.kind for s in replicas.outline.usual}
        self.batch_norm = replicas.outline.batch_norm

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs [K, B, *shape], normalised, and classes [K, B] of a part, in pieces."""
        stack.begin(self.model)
        for batch in self._replicas.batches.part(part, self._replicas.chunk):
            yield batch.x, batch.y

    def logits(self, x: Tensor) -> Tensor:
        """[K, B, C] float32 with the noise off."""
        output: Tensor = self.model(x, self.noise)
        return output.float()

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """What comes to each site behind a hidden layer, [K, n, units], by the name of the site."""
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
        """The logits with one unit of a site at zero."""

        def edit(name: str, h: Tensor) -> Tensor:
            index = torch.tensor([unit], device=h.device)
            return h.index_fill(self._units[site], index, 0) if name == site else h

        output: Tensor = self.model(x, self.noise.edited(edit))
        return output.float()

    def changed(self, change: Callable[[str, Tensor], Tensor], stream: str | None = None) -> Callable[[Tensor], Tensor]:
        """A function like `logits`, or with a stream like that of `noisy`, with `change` behind each site."""
        noise = (self.noise if stream is None else self._forked(stream)).changed(change)

        def logits(x: Tensor) -> Tensor:
            output: Tensor = self.model(x, noise)
            return output.float()

        return logits

    @torch.no_grad()
    def by_batch(self, x: Tensor) -> Tensor:
        """The logits with batch norm on the statistics of these examples, noise off; its running statistics stay."""
        before = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.model.train()
        try:
            return self.logits(x)
        finally:
            self.model.eval()
            for name, buffer in self.model.named_buffers():
                buffer.copy_(before[name])

    def statistics(self) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Mean and variance that each batch norm holds, and those of the training examples without noise; [K, C] each."""
        own = self.model.model if isinstance(self.model, LearnedRates) else self.model
        self.model.train()
        try:
            without = statistics.of_training(self._replicas, own, self.noise)
        finally:
            self.model.eval()
        held = dict(own.named_buffers())
        names = list(without)  # of a layer its mean, then its variance: as batch norm registers them
        for mean, variance in zip(names[::2], names[1::2], strict=True):
            yield (held[mean], held[variance]), (without[mean], without[variance])

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        """At most so many examples of other data, evenly spaced, in pieces [K, B, *shape]; normalised like their own."""
        batches = self._replicas.batches
        assert isinstance(batches, ExampleBatches)  # running text is compared with nothing: see planning.sources.others
        stack.begin(self.model)
        x = self._replicas.foreign[data]
        n = min(len(x), examples)
        yield from batches.foreign(x[torch.arange(n) * len(x) // n], self._replicas.chunk)

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """A function that gives the logits under fresh masks at each call, from a stream of that name."""
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
        """A function that gives float32 in [0, 1), [K, *shape], from a stream of that name."""
        return StackedDraws(self._replicas.seeds, stream, self.parameters[0].device).uniform

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """A function that gives standard normals, [K, *shape], from a stream of that name."""
        return StackedDraws(self._replicas.seeds, stream, self.parameters[0].device).normal
