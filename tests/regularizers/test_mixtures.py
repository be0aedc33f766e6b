"""Mixtures of examples, at the input and inside of networks, against the papers' loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from regularized import of, off, with_regularizers
from step_kit import Sampled, given
from texts import sentences
from torch import Tensor
from training import Trained, cohort_of, make_spec

from dropbench.data.batch import Batch
from dropbench.engine.objective import losses
from dropbench.engine.step import Update
from dropbench.planning import regularizers
from dropbench.planning.outline import outline
from dropbench.regularizers.base import Given
from dropbench.regularizers.manifold_mixup import ManifoldMixup
from dropbench.regularizers.mixup import Mixup, mixed
from dropbench.spec import RunSpec


def test_mixup_that_leaves_all_of_an_example_is_none() -> None:
    x, y = torch.randn(2, 5, 3), torch.randint(3, (2, 5))
    order, train = torch.stack([torch.randperm(5)] * 2), make_spec().train
    logits = torch.randn(2, 5, 3)
    batch = mixed(Batch(x, y), torch.ones(2, 1), order)
    assert torch.equal(batch.x, x)
    assert torch.equal(losses("classify", logits, batch, train), losses("classify", logits, Batch(x, y), train))


def places(part: ManifoldMixup, told: Given, seeds: int = 60) -> set[str]:
    found: set[str] = set()
    for seed in range(seeds):
        x = torch.zeros(1, 4, 3)
        batch = part.examples(Batch(x, torch.zeros(1, 4)), torch.tensor([1.0]), Sampled(1, seed), told)
        assert batch.mixed is not None
        found |= {*batch.mixed.at}
    return found


def test_places_are_the_input_and_the_sites_that_no_shortcut_goes_past() -> None:
    told = given(sites={"a": 1, "inside": 1, "head": 1}, whole=("a", "head"))
    assert places(ManifoldMixup(), told) == {"input", "a", "head"}
    assert places(ManifoldMixup(sites=("head",)), told) == {"head"}


@pytest.mark.parametrize(
    ("sites", "told", "reason"),
    [
        (None, given(view="graph"), "mixes examples of a batch, and the nodes of a graph are always computed together"),
        (None, given(task="predict_next"), "mixes targets"),
        (
            None,
            given(whole=None, sites={"a": 1}),
            "must mix at sites that no shortcut bypasses and cannot find them in this network",
        ),
        (("b",), given(sites={"a": 1}, whole=("a",)), "cannot mix at b; name some of input, a"),
        (("input",), given(view="tokens", sites={"a": 1}, whole=("a",)), "cannot mix at input; name some of a"),
        (("a",), given(whole=None, sites={"a": 1}), None),
    ],
)
def test_where_it_cannot_mix_it_says_so(sites: tuple[str, ...] | None, told: Given, reason: str | None) -> None:
    said = ManifoldMixup(sites=sites).supports(told)
    assert said is None if reason is None else str(said).startswith(reason)


def by_hand(model: Any, x: Tensor, place: str, share: float, order: Tensor) -> Tensor:
    """The logits of a relu mlp of one replica whose activations are mixed at a place, [B, C]."""

    def mix(name: str, h: Tensor) -> Tensor:
        return share * h + (1 - share) * h[order] if name == place else h

    h = mix("input", x)
    for i, block in enumerate(model.hidden):
        h = mix(f"hidden.{i}", (h @ block.linear.weight[0] + block.linear.bias[0]).relu())
    logits: Tensor = h @ model.head.weight[0] + model.head.bias[0]
    return logits


def test_it_is_verma_et_al_s_algorithm() -> None:
    run = with_regularizers(make_spec("mlp", seed=2), of("manifold_mixup"))
    training = cohort_of(run)
    seen = set()
    for _, batch in zip(range(12), training.replicas.batches.epoch(0), strict=False):
        update = Update(training.replicas, training.regularization, batch)
        mixed = update.batch.mixed
        assert mixed is not None and mixed.order is not None
        share, order, place = float(mixed.share), mixed.order[0], mixed.at[0]
        logits = by_hand(training.replicas.model, batch.x[0], place, share, order)
        expected = share * F.cross_entropy(logits, batch.y[0]) + (1 - share) * F.cross_entropy(
            logits, batch.y[0][order]
        )
        assert update.loss.item() == pytest.approx(expected.item(), rel=1e-5)
        seen.add(place)
    assert len(seen) > 1


@pytest.mark.parametrize("model", ["mlp", "cnn", "rnn", "resnet", "transformer"])
def test_at_no_strength_the_bits_are_those_of_a_run_without(model: str) -> None:
    """Beside replicas that are mixed at other places."""

    def arm(seed: int) -> RunSpec:
        return make_spec(model, variant="standard", rate=0.3, seed=seed, epochs=1)

    run = arm(3)
    beside = [with_regularizers(arm(seed), of("manifold_mixup")) for seed in (1, 3)]
    silent = with_regularizers(run, off("manifold_mixup"))
    together, alone = Trained(silent, *beside).weights[silent.run_id], Trained(run).weights[run.run_id]
    assert [n for n, tensor in alone.items() if not torch.equal(tensor, together[n])] == []


@pytest.mark.parametrize("model", ["cnn", "rnn", "resnet", "transformer"])
def test_alone_as_in_company(model: str) -> None:
    runs = [
        with_regularizers(make_spec(model, variant="standard", rate=0.3, seed=seed, epochs=1), of("manifold_mixup"))
        for seed in (3, 1, 4)
    ]
    alone, together = Trained(runs[0]), Trained(*runs)
    assert alone[runs[0]].metrics == together[runs[0]].metrics
    weights = together.weights[runs[0].run_id]
    assert all(torch.equal(t, weights[n]) for n, t in alone.weights[runs[0].run_id].items())


def test_words_are_no_numbers_to_be_mixed() -> None:
    run = make_spec("rnn", options={"hidden": 5})
    table = sentences()
    told = regularizers.given(outline(run.model, table), table)
    assert not told.numbers and "words or nodes to look up" in str(Mixup().supports(told))
    assert ManifoldMixup().supports(told) is None and places(ManifoldMixup(), told) == {"embedded", "head"}
