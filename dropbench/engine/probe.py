"""Measurements that need more than logits, taken once a run on its chosen weights: see metrics/probe.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from dropbench.engine import stack
from dropbench.engine.batches import Batches
from dropbench.engine.evaluate import evaluating
from dropbench.engine.noise import StackNoise
from dropbench.engine.streams import StackedWords
from dropbench.engine.text import TextBatches
from dropbench.sites import Site

Probe = Callable[["Probed", str], dict[str, Tensor]]


def is_probe(measurement: Callable[..., object]) -> bool:
    """Whether it asks for a `network`; what it asks for otherwise are logits."""
    try:
        return next(iter(inspect.signature(measurement).parameters), "") == "network"
    except ValueError:  # compiled functions do not say
        return False


def probe(probes: Mapping[str, Probe], network: Probed) -> dict[str, Tensor]:
    """`<part>_<name>` of each on train, validation and test, and `gap_<name>`, [K] each; rows [K, m] have no gap."""
    found: dict[str, Tensor] = {}
    for measure in probes.values():
        with evaluating(network.model, network.noise):
            train, val, test = (measure(network, part) for part in ("train", "val", "test"))
        for part, values in (("train", train), ("val", val), ("test", test)):
            found |= {f"{part}_{name}": value for name, value in values.items()}
        found |= {f"gap_{n}": value - val[n] for n, value in train.items() if n in val and value.ndim == 1}
    return found


class Probed:
    """A trained stack as probes see it: the `Network` of metrics/probe.py. `chunk` must not depend on K."""

    def __init__(
        self,
        model: nn.Module,
        noise: StackNoise,
        batches: Batches | TextBatches,
        chunk: int,
        sites: Sequence[Site],
        seeds: Sequence[int],
        passes: int = 0,
        others: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model, self.noise, self.passes = model, noise, passes
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self._batches, self._chunk, self._seeds, self._others = batches, chunk, seeds, others or {}
        # A graph is one example, however many of its nodes are asked for.
        self._noise_batch = 1 if any("N" in s.axes for s in sites) else chunk
        # What a layer makes, not what it is given; and where units are, counted from the end.
        hidden = [s for s in sites if s.kind in ("activation", "feedforward") and s.name not in ("input", "embedded")]
        self._units = {s.name: i - len(s.axes) for s in hidden for i, axis in enumerate(s.axes) if axis in "FC"}

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        stack.begin(self.model)
        for batch in self._batches.part(part, self._chunk):
            yield batch.x, batch.y

    def logits(self, x: Tensor) -> Tensor:
        output: Tensor = self.model(x, self.noise)
        return output.float()

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        seen: dict[str, Tensor] = {}

        def watch(site: str, h: Tensor) -> Tensor:
            seen[site] = h
            return h

        self.model(x, self.noise.edited(watch))
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
        assert isinstance(self._batches, Batches)  # running text is compared with nothing: see outline.others
        stack.begin(self.model)
        x = self._others[data]
        n = min(len(x), examples)
        yield from self._batches.foreign(x[torch.arange(n) * len(x) // n], self._chunk)

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        own = self.noise.forked(stream, self._noise_batch)
        own.training = True

        def logits(x: Tensor) -> Tensor:
            output: Tensor = self.model(x, own)
            return output.float()

        return logits

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        return StackedWords(self._seeds, stream, self.parameters[0].device).uniform

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        return StackedWords(self._seeds, stream, self.parameters[0].device).normal
