"""Metrics that change or read what leaves the sites of a model: edges away, activations of 8 bits, attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from graphs import graph_table, normalised
from hypothesis import given
from hypothesis import strategies as st
from specs_kit import planned
from torch import Tensor
from torch.ao.quantization import PerChannelMinMaxObserver
from training import cohort_of, make_spec

from dropbench.engine.evaluate import evaluating
from dropbench.engine.probe import Probed
from dropbench.engine.replicas import Replicas
from dropbench.metrics.attention_entropy import attention_entropy
from dropbench.metrics.int8 import int8, quantised, quantised_weight
from dropbench.metrics.missing_edges import missing_edges


def replicas_of(model: str, rate: float = 0.5, **settings: Any) -> Replicas:
    """Two networks as they start."""
    table = settings.pop("table", None)
    runs = [make_spec(model, rate=rate, seed=seed, **settings) for seed in (0, 1)]
    return cohort_of(*runs, table=table).replicas


@torch.no_grad()
def test_missing_edges_are_those_of_a_smaller_graph() -> None:
    table = graph_table()
    assert table.graph is not None
    replicas = replicas_of(
        "dropbench.models.gcn.GCN", table=table, data="graph", split={"n_train": 20}, variant="drop_edge"
    )
    model: Any = replicas.model
    edges = model._adjacency.edges
    with evaluating(replicas):
        network = Probed(replicas)
        found = missing_edges(network, "test", percent=[30, 100])
        draw = network.uniforms("missing_edges")((edges.shape[1],))
        ((nodes, classes),) = network.examples("test")
    features = table.graph.features.double()
    for k in range(2):
        for percent in (30, 100):
            strengths = (draw[k] >= percent / 100).double()
            a, h = normalised(edges, strengths, len(features)), features
            for layer in model.layers:
                h = (a @ (h @ layer.linear.weight[k].double()) + layer.linear.bias[k].double()).relu()
            logits = a @ (h @ model.head.weight[k].double()) + model.head.bias[k].double()
            right = (logits[nodes[k]].argmax(1) == classes[k]).double().mean().item()
            assert found[f"missing_edges_{percent}_accuracy"][k].item() == pytest.approx(right)
    assert 0 < float((draw < 0.3).double().mean()) < 0.6


@given(
    st.lists(st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4), min_size=1, max_size=3),
    st.floats(0.125, 4, width=32),
)
def test_levels_are_those_of_torchs_own_observers(values: list[list[float]], larger: float) -> None:
    seen = torch.tensor(values)
    h = larger * seen  # some of it outside the range that was seen
    observer = PerChannelMinMaxObserver(0, torch.quint8, torch.per_channel_affine)
    observer(seen)
    whole = torch.fake_quantize_per_channel_affine(h, *observer.calculate_qparams(), 0, 0, 255)
    torch.testing.assert_close(quantised(h, seen.amin(1), seen.amax(1)), whole)
    observer = PerChannelMinMaxObserver(0, torch.qint8, torch.per_channel_symmetric, quant_min=-127, quant_max=127)
    observer(h)
    scale, zero = observer.calculate_qparams()
    whole = torch.fake_quantize_per_channel_affine(h, scale, zero.int(), 0, -127, 127)
    torch.testing.assert_close(quantised_weight(h), whole)


def test_what_is_not_finite_stays_so_and_leaves_the_others_alone() -> None:
    h = torch.tensor([[1.0, 2.3, -0.7], [1.0, float("nan"), 3.0], [float("inf"), 1.0, -1.0]])
    for ours in (lambda t: quantised(t, t.amin(1), t.amax(1)), quantised_weight):
        out = ours(h)
        assert torch.equal(out[:1], ours(h[:1])) and not torch.equal(out[:1], h[:1])
        assert not bool(out[1:].isfinite().all(1).any())


def test_ranges_with_the_noise_on_are_as_much_larger_as_it_scales() -> None:
    """One hidden layer under dropout of a half: the largest number that is kept is twice as large, so levels are coarser."""
    replicas = replicas_of("mlp", rate=0.5, options={"widths": [64]})
    seen: dict[str | None, Tensor] = {}
    with evaluating(replicas), torch.no_grad():
        network = Probed(replicas)
        for stream in (None, "int8"):

            def see(site: str, h: Tensor, stream: str | None = stream) -> Tensor:
                if site == "hidden.0":
                    seen[stream] = h.flatten(1)
                return h

            x, _ = next(network.examples("train"))
            network.changed(see, stream)(x)
    kept = seen["int8"] != 0
    torch.testing.assert_close(seen["int8"][kept], 2 * seen[None][kept])
    assert 0.3 < float(kept.sum() / (seen[None] != 0).sum()) < 0.7


@torch.no_grad()
def test_int8_answers_by_hand() -> None:
    replicas = replicas_of("mlp", rate=0.0, variant="none", options={"widths": [16]})
    model: Any = replicas.model
    # Of weights one of which is far larger than the rest most are rounded to 0, so that it is seen whether they are rounded.
    model.head.weight[:, 0, 0] = 100 * model.head.weight.abs().amax()
    before = model.head.weight.clone()
    with evaluating(replicas):
        network = Probed(replicas)
        found = int8(network, "test")
    assert torch.equal(model.head.weight, before), "it is rounded for the measurement alone"
    with evaluating(replicas):
        network = Probed(replicas)
        (train, _), (x, y) = next(network.examples("train")), next(network.examples("test"))
    (block,) = model.hidden
    for k in range(2):

        def rounded(h: Tensor, like: Tensor) -> Tensor:
            low, high = float(like.min().clamp(max=0)), float(like.max().clamp(min=0))
            scale = (high - low) / 255
            return torch.fake_quantize_per_tensor_affine(h, scale, round(-low / scale), 0, 255)

        def whole(weight: Tensor, k: int = k) -> Tensor:
            scale = float(weight[k].abs().max()) / 127
            return torch.fake_quantize_per_tensor_affine(weight[k], scale, 0, -127, 127)

        seen = torch.relu(train[k] @ block.linear.weight[k] + block.linear.bias[k])
        h = torch.relu(rounded(x[k], train[k]) @ whole(block.linear.weight) + block.linear.bias[k])
        logits = rounded(h, seen) @ whole(model.head.weight) + model.head.bias[k]
        unrounded = rounded(h, seen) @ model.head.weight[k] + model.head.bias[k]
        right = (logits.argmax(1) == y[k]).double().mean().item()
        assert found["int8_accuracy"][k].item() == pytest.approx(right, abs=0.01)
        expected = torch.nn.functional.cross_entropy(logits, y[k]).item()
        assert found["int8_loss"][k].item() == pytest.approx(expected, abs=1e-3)
        assert abs(torch.nn.functional.cross_entropy(unrounded, y[k]).item() - expected) > 0.01
    for kind in ("accuracy", "loss"):
        assert torch.equal(found[f"int8_{kind}"], found[f"int8_noisy_{kind}"]), "there is no noise"


@torch.no_grad()
def test_attention_entropy_of_patches_by_hand() -> None:
    replicas = replicas_of("transformer", rate=0.3, variant="attention")
    model: Any = replicas.model
    weights: list[Tensor] = []
    with evaluating(replicas):
        network = Probed(replicas)
        found = attention_entropy(network, "test")["attention_entropy"]
        ((x, _),) = network.examples("test")
        # Each branch is given what the sites before it let through, without noise.
        for block in model.blocks:
            original = block.attention.attention.forward
            block.attention.attention.forward = _listening(original, block.attention.attention, weights)
        model(x, replicas.noise)
    entropies = [-(w * w.clamp(min=1e-30).log()).sum(-1).flatten(1).mean(1) for w in weights]
    torch.testing.assert_close(found, torch.stack(entropies).mean(0).double(), rtol=1e-5, atol=1e-6)
    assert bool((found > 0).all())


def _listening(forward: Any, attention: Any, weights: list[Tensor]) -> Any:
    def heard(x: Tensor, padding: Tensor | None = None, noise: Any = None) -> Tensor:
        query, key, _ = attention.qkv(x).unflatten(-1, (3, attention.heads, -1)).permute(3, 0, 1, 4, 2, 5).unbind(0)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        weights.append((scores.exp() / scores.exp().sum(-1, keepdim=True)).double())
        out: Tensor = forward(x, padding, noise)
        return out

    return heard


def test_even_attention_has_the_logarithm_of_the_steps_that_are_words() -> None:
    class Words:
        """Two layers of even attention to the words of a sentence; padding is 0."""

        def __init__(self, ids: Tensor) -> None:
            self.ids = ids
            self.kinds = {"embedding": "token", "attention": "attention"}

        def examples(self, part: str) -> Any:
            yield self.ids, torch.zeros(self.ids.shape[:2])

        def changed(self, change: Any, stream: str | None = None) -> Any:
            def logits(x: Tensor) -> Tensor:
                real = (x != 0).double()
                even = real / real.sum(-1, keepdim=True)
                for _ in range(2):
                    change("attention", even[:, :, None, None].expand(-1, -1, 1, x.shape[2], -1))
                return real

            return logits

    ids = torch.tensor([[[5, 6, 7, 0], [5, 0, 0, 0]]])
    found = attention_entropy(Words(ids), "test")["attention_entropy"]  # type: ignore[arg-type]
    assert found.item() == pytest.approx(3 * torch.log(torch.tensor(3.0)).item() / 4)


def test_where_there_is_nothing_of_the_kind_it_is_said() -> None:
    replicas = replicas_of("mlp")
    with evaluating(replicas):
        network = Probed(replicas)
        assert attention_entropy(network, "test") == missing_edges(network, "test") == {}
    words = ["data=digits", "model=mlp", "dropout=none", "train.epochs=1"]
    told = planned(*words, "metric=[loss,accuracy,attention_entropy,missing_edges]").warnings
    assert [w.partition(":")[0] for w in told] == [
        f"metric={name} measures nothing on model=mlp" for name in ("attention_entropy", "missing_edges")
    ]
