"""Models as the engine builds them, on three small data sets, and a noise that records what arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from graphs import CLASSES, graph_table
from hydra.utils import get_class
from texts import running_text, sentences
from torch import Tensor, nn

from dropbench.config.compose import composer
from dropbench.data import views
from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.nn.embedding import lookup
from dropbench.nn.product import affine
from dropbench.planning.outline import outline
from dropbench.sites.noise import Noise
from dropbench.spec import Component, RunSpec

CPU = torch.device("cpu")


def table(axes: str, *shape: int) -> Table:
    y = torch.arange(60) % CLASSES
    return Table(axes, torch.rand(60, *shape, generator=torch.Generator().manual_seed(0)), y, axes, CLASSES)


TABLES = (table("CHW", 2, 8, 6), table("TF", 5, 4), table("F", 7), sentences(), running_text(), graph_table())
TARGETS = {"mlp": "dropbench.models.mlp.MLP", "cnn": "dropbench.models.cnn.CNN", "rnn": "dropbench.models.rnn.RNN"}
TARGETS |= {"realmlp": "dropbench.models.realmlp.RealMLP"}
TARGETS |= {"autoencoder": "dropbench.models.autoencoder.Autoencoder"}
TARGETS |= {"lm": "dropbench.models.lm.LanguageModel"}
TARGETS |= {"resnet": "dropbench.models.resnet.ResNet", "transformer": "dropbench.models.transformer.Transformer"}
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [6, 5]},
    "realmlp": {"widths": [6, 5]},
    "cnn": {"channels": [4, 3], "head_widths": [5]},
    "rnn": {"hidden": 5, "layers": 2, "embedding": 4},
    "autoencoder": {"widths": [5, 3]},
    "lm": {"hidden": 5, "layers": 2},
    "resnet": {"width": 3},
    "transformer": {"width": 6, "heads": 2, "layers": 2, "feedforward": 5, "patch": 3},
}


with composer() as _c:
    TRAIN = _c.compose({}).spec.train


def table_for(model: type[nn.Module]) -> Table:
    """The first that the model eats."""
    eats: Sequence[str] = model.eats  # type: ignore[assignment]
    return next(t for t in TABLES if set(eats) & set(views.views(t.axes)))


def built(name: str, seeds: Sequence[int] = (0,), data: Table | None = None, **options: Any) -> nn.Module:
    """A small model of this name with some options changed."""
    data = data or table_for(model_class(name))
    spec = Component(name=name, target=TARGETS[name], options=SMALL[name] | options)
    return stack.build(spec, outline(spec, data), seeds, CPU, TRAIN)


def model_class(name: str) -> type[nn.Module]:
    found: type[nn.Module] = get_class(TARGETS[name])
    return found


def batch(name: str, replicas: int = 1, size: int = 4, data: Table | None = None) -> Tensor:
    """Random examples in the model's view."""
    data = data or table_for(model_class(name))
    view = next(v for v in model_class(name).eats if v in views.views(data.axes))  # type: ignore[attr-defined]
    shape = views.view_shape(data, view)
    generator = torch.Generator().manual_seed(2)
    if view in ("tokens", "text"):
        steps, words = shape
        return torch.randint(words, (replicas, size, steps), generator=generator)
    return torch.randn(replicas, size, *shape, generator=generator)


def torchs_lstm(model: nn.Module) -> nn.LSTM:
    """torch's LSTM with the weights of the model's first replica."""
    inputs, layers = model.layers[0].weight_input.shape[1], len(model.layers)
    lstm = nn.LSTM(inputs, model.layers[0].hidden, num_layers=layers, batch_first=True)
    with torch.no_grad():
        for i, layer in enumerate(model.layers):
            for ours, theirs in (("weight_input", "weight_ih"), ("weight_hidden", "weight_hh")):
                getattr(lstm, f"{theirs}_l{i}").copy_(getattr(layer, ours)[0].T)
            for ours, theirs in (("bias_input", "bias_ih"), ("bias_hidden", "bias_hh")):
                getattr(lstm, f"{theirs}_l{i}").copy_(getattr(layer, ours)[0, 0])
    return lstm


def assert_replica(stacked: nn.Module, one: nn.Module, k: int) -> None:
    """Replica k of a stack has the gradients and the buffers of this stack of one."""
    for (key, p), q in zip(stacked.named_parameters(), one.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        torch.testing.assert_close(p.grad[k : k + 1], q.grad, msg=key)
    for (key, b), c in zip(stacked.named_buffers(), one.buffers(), strict=True):
        torch.testing.assert_close(b[k : k + 1], c, msg=key)


class Recorder(Noise):
    """`sites.noise.Noise` that changes nothing and keeps what came to each site, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Tensor]] = []
        self.steps_of: dict[str, list[Tensor]] = {}

    def __call__(self, site: str, x: Tensor) -> Tensor:
        self.seen.append((site, x))
        return x

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        self.seen.append((site, weight))
        return then(affine(x, weight, bias))

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        states = self.steps_of[site] = []
        self.seen.append((site, torch.empty(0)))

        def act(state: Tensor, step: int) -> Tensor:
            assert step == len(states)
            states.append(state)
            return state

        return act

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        states = self.steps_of[site] = []
        self.seen.append((site, torch.empty(0)))

        def mix(old: Tensor, new: Tensor, step: int) -> Tensor:
            assert step == len(states) and old.shape == new.shape
            states.append(new)
            return new

        return mix

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        self.seen.append((site, table))
        return lookup(ids, table)

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        place = len(self.seen)
        out: Tensor = branch(x, self, *beside)
        self.seen.insert(place, (site, out))
        return out

    def acts(self, site: str) -> bool:
        return True


def training_of(runs: Sequence[RunSpec], data: Table) -> Training:
    """Runs of one model on this data, ready to train together."""
    return build(runs, outline(runs[0].model, data), data, CPU)
