"""The graph convolutional network against one by hand, dense and without a stack."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from graphs import CLASSES, graph_table, normalised
from model_kit import CPU, TRAIN, Recorder, assert_replica
from noise_kit import SET_UP
from torch import Tensor, nn

from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.engine.noise import StackNoise
from dropbench.planning.outline import outline
from dropbench.sites import Site
from dropbench.spec import Component

N, E = 61, 90


def made(replicas: int = 1, table: Table | None = None, **options: Any) -> nn.Module:
    table = table or graph_table()
    spec = Component(name="gcn", _target_="dropbench.models.gcn.GCN", options={"hidden": 6, **options})
    return stack.build(spec, outline(spec, table), range(replicas), CPU, TRAIN, table.graph)


def every_node(replicas: int) -> Tensor:
    return torch.arange(N).expand(replicas, -1)


def noisy(model: nn.Module, variant: str, rate: float, *sites: str, seeds: tuple[int, ...] = (0,)) -> StackNoise:
    at: list[Site] = [s for s in model.sites if s.name in sites]  # type: ignore[union-attr]
    assert len(at) == len(sites)
    rates = [dict.fromkeys(sites, rate)] * len(seeds)
    return StackNoise(SET_UP[variant], at, rates, seeds, 1, CPU)


def by_hand(model: nn.Module, strengths: Tensor | None = None, k: int = 0) -> Tensor:
    """Z = Â relu(... Â relu(Â X W + b) ...) W + b, in float64: equation 9 of Kipf & Welling 2017, with biases."""
    linked = graph_table().graph
    assert linked is not None
    a = normalised(linked.edges, torch.ones(E) if strengths is None else strengths, N)
    x, p = linked.features.double(), {name: t[k].double() for name, t in model.named_parameters()}
    for i in itertools.count():
        if f"layers.{i}.linear.weight" not in p:
            return a @ x @ p["head.weight"] + p["head.bias"]
        x = (a @ x @ p[f"layers.{i}.linear.weight"] + p[f"layers.{i}.linear.bias"]).relu()


@pytest.mark.parametrize("adjacency", ["sparse", "dense"])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_equation_9(layers: int, adjacency: str) -> None:
    model = made(2, layers=layers, adjacency=adjacency)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)  # biases start at zero
        out = model(every_node(2), Recorder())
    for k in range(2):
        torch.testing.assert_close(out[k].double(), by_hand(model, k=k), atol=1e-5, rtol=1e-5)


def test_logits_of_the_nodes_that_are_asked_for() -> None:
    model = made(2)
    x = torch.tensor([[3, 60, 0], [7, 7, 59]])
    every = model(every_node(2), Recorder())
    assert torch.equal(model(x, Recorder()), torch.stack([every[0, x[0]], every[1, x[1]]]))


@pytest.mark.parametrize("options", [{}, {"layers": 3, "batch_norm": "after_dropout"}, {"layers": 1}])
def test_sites(options: dict[str, Any]) -> None:
    """The graph is one example; each site is visited once, in order, and its reader is what multiplies it next."""
    model = made(2, **options)
    recorder = Recorder()
    model(torch.tensor([[1, 2], [3, 4]]), recorder)
    layers = options.get("layers", 2)
    names = ["edges", "input", *(f"hidden.{i}" for i in range(layers - 1))]
    sites: tuple[Site, ...] = model.sites  # type: ignore[assignment]
    assert [s.name for s in sites] == names == [name for name, _ in recorder.seen]
    parameters = dict(model.named_parameters())
    for site, (_, seen) in zip(sites, recorder.seen, strict=True):
        assert tuple(seen.shape) == (2, 1, *site.shape)
        if site.reader is not None:
            assert parameters[site.reader].shape[1] == site.shape[-1]
    assert [s.reader for s in sites] == [None, *(n for n in parameters if n.endswith("weight") and "norm" not in n)]
    assert [s.follows for s in sites[2:]] == ["relu"] * (layers - 1)


@pytest.mark.parametrize("adjacency", ["sparse", "dense"])
def test_drop_edge_is_the_network_on_the_graph_without_these_edges(adjacency: str) -> None:
    """Both directions go, self-loops stay, degrees are counted anew, and all layers see the same edges."""
    model = made(2, layers=3, adjacency=adjacency)
    noise = noisy(model, "drop_edge", 0.5, "edges", seeds=(0, 1))
    masks = noisy(model, "drop_edge", 0.5, "edges", seeds=(0, 1))("edges", torch.ones(2, 1, E))[:, 0]
    assert 0 < float(masks[0].mean()) < 1 and not torch.equal(masks[0], masks[1])
    with torch.no_grad():
        out = model(every_node(2), noise)
        for k in range(2):
            torch.testing.assert_close(out[k].double(), by_hand(model, masks[k], k), atol=1e-5, rtol=1e-5)
        assert not torch.equal(model(every_node(2), noise), out), "the next step drops others"
        noise.training = False
        assert torch.equal(model(every_node(2), noise), model(every_node(2), Recorder()))


def test_nodes_without_features_still_hear_of_their_neighbours() -> None:
    """The edges of a node whose features are dropped stay."""
    model = made(layers=1)
    noise = noisy(model, "node_features", 0.5, "input")
    kept = noisy(model, "node_features", 0.5, "input")("input", torch.ones(1, 1, N, 37))[0, 0].double()
    linked = graph_table().graph
    assert linked is not None
    a = normalised(linked.edges, torch.ones(E), N)
    expected = a @ (linked.features.double() * kept) @ model.head.weight[0].double()  # type: ignore[union-attr, index]
    torch.testing.assert_close(model(every_node(1), noise)[0].double(), expected, atol=1e-5, rtol=1e-5)
    assert set(kept[:, 0].tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("variant", ["standard", "node_features", "classic", "gaussian", "alpha"])
def test_noise_at_sparse_features_is_noise_at_dense_ones(variant: str) -> None:
    """Also where it fills the zeros (alpha) or scales in evaluation (classic)."""
    model = made(2, layers=1)
    for training in (True, False):
        noise, again = (noisy(model, variant, 0.4, "input", seeds=(0, 1)) for _ in range(2))
        noise.training = again.training = training
        linked = graph_table().graph
        assert linked is not None
        seen = again("input", linked.features.expand(2, 1, -1, -1))[:, 0].double()
        a = normalised(linked.edges, torch.ones(E), N)
        with torch.no_grad():
            out = model(every_node(2), noise).double()
            expected = a @ seen @ model.head.weight.double() + model.head.bias.double()  # type: ignore[union-attr, operator]
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"layers": 3, "batch_norm": "before_activation"}, {"batch_norm": "after_activation", "adjacency": "dense"}],
)
@pytest.mark.parametrize("training", [True, False])
def test_three_replicas_are_three_models(options: dict[str, Any], training: bool) -> None:
    whole = made(3, **options).double().train(training)
    fresh = made(3, **options).state_dict()
    x = torch.randint(0, N, (3, 20), generator=torch.Generator().manual_seed(3))
    g = torch.randn(3, 20, CLASSES, generator=torch.Generator().manual_seed(4)).double()
    whole(x, Recorder()).backward(g)
    for k in range(3):
        one = made(1, **options).double().train(training)
        one.load_state_dict({key: value[k : k + 1] for key, value in fresh.items()})
        one(x[k : k + 1], Recorder()).backward(g[k : k + 1])
        assert_replica(whole, one, k)
