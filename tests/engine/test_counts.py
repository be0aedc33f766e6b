"""Every metric counts each example, node or word of its part exactly once, whatever chunk, window or column it comes in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from graphs import graph_table
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import running_text
from torch import Tensor
from training import cohort_of, made_table, make_spec

from dropbench.data.base import Table
from dropbench.engine.evaluate import evaluate, outputs
from dropbench.engine.replicas import Replicas
from dropbench.metrics.ece import answers, binned
from dropbench.spec import MetricSpec

NAMES = ("loss", "accuracy", "brier", "ece", "adaptive_ece")


def measured(table: Table, model: str, names: tuple[str, ...], **more: Any) -> Replicas:
    spec = make_spec(model, split={"n_train": None}, batch_size=8, **more)
    metric = {n: MetricSpec(name=n, _target_=f"dropbench.metrics.{n}.{n}") for n in names}
    return cohort_of(spec.model_copy(update={"metric": metric}), table=table).replicas


@settings(max_examples=15)
@given(n=st.integers(40, 90), chunk=st.integers(1, 100))
def test_examples_whatever_the_chunk(n: int, chunk: int) -> None:
    whole = measured(made_table(n), "mlp", NAMES)
    chunked = replace(whole, chunk=chunk)
    for part in ("train", "val", "test"):
        pairs = list(outputs(chunked, part))
        assert sum(y.shape[1] for _, y in pairs) == whole.batches.part_sizes()[part]
        rows = whole.batches.rows(part)[0]
        assert torch.equal(torch.cat([y for _, y in pairs], 1)[0], made_table(n).y[rows]) and len(rows.unique()) == len(
            rows
        )
        one, other = evaluate(whole, part), evaluate(chunked, part)
        for name in NAMES:
            torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=1e-6)


def test_nodes() -> None:
    table = graph_table()
    replicas = measured(table, "dropbench.models.gcn.GCN", NAMES)
    rows = [replicas.batches.rows(part)[0] for part in ("train", "val", "test")]
    assert torch.cat(rows).sort().values.tolist() == list(range(len(table.y)))
    for part, own in zip(("train", "val", "test"), rows, strict=True):
        ((logits, targets),) = outputs(replicas, part)
        assert torch.equal(targets[0], table.y[own])
        by_hand = F.cross_entropy(logits[0], table.y[own])
        torch.testing.assert_close(evaluate(replicas, part)["loss"][0], by_hand)


@settings(max_examples=15)
@given(window=st.integers(1, 30), val=st.integers(30, 75), test=st.integers(30, 75))
def test_words_whatever_the_window(window: int, val: int, test: int) -> None:
    """A model whose logits depend on the word alone, so that where a window begins does not matter."""
    table = running_text(window=window, val=val, test=test)
    replicas = measured(table, "lm", ("loss", "accuracy", "brier"))
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 9, generator=generator)

    class ByWord(torch.nn.Module):
        def forward(self, x: Tensor, noise: object) -> Tensor:
            return logits[x]

    replicas = replace(replicas, model=ByWord())
    for part, rows in (("val", table.val), ("test", table.test)):
        assert rows is not None
        before, words = table.x[rows - 1, 0], table.x[rows, 0]
        scores = evaluate(replicas, part)
        expected = F.cross_entropy(logits[before].double(), words)
        torch.testing.assert_close(scores["loss"][0], expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(scores["perplexity"][0], expected.exp(), rtol=1e-5, atol=0)
        right = (logits[before].argmax(1) == words).double().mean()
        torch.testing.assert_close(scores["accuracy"][0], right, rtol=1e-12, atol=0)
        told = torch.cat([y for _, y in outputs(replicas, part)], 1)[0]
        assert sorted(told.tolist()) == sorted(words.tolist())


@pytest.mark.parametrize("bins", [1, 2, 15, 100])
@given(data=st.data())
def test_bins_hold_every_example_once(bins: int, data: st.DataObject) -> None:
    """Also where confidence is exactly an edge, 0 or 1."""
    edges = [i / bins for i in range(bins + 1)]
    values = data.draw(st.lists(st.sampled_from([*edges, 0.3, 1 / 3, 1.0]), min_size=1, max_size=30))
    confidence = torch.tensor(values, dtype=torch.float64)
    right = torch.tensor(data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(values), max_size=len(values))))
    examples, confidences, rights = binned(confidence, right.double(), bins)
    assert int(examples.sum()) == len(values)
    assert float(confidences.sum()) == pytest.approx(sum(values)) and float(rights.sum()) == float(right.sum())


def test_answers_of_every_example() -> None:
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    confidence, right = answers(logits, torch.arange(7) % 3)
    assert confidence.shape == right.shape == (7,)
