"""What is kept of the test split: of each example, whatever trains beside it, what the test metrics were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from graphs import graph_table
from texts import running_text, sentences
from training import CPU, Trained, cohort_of, made_table, make_spec

from dropbench.data.base import Table
from dropbench.engine.build import build
from dropbench.engine.example_batches import split_for
from dropbench.engine.result import Keep, RunResult
from dropbench.planning.outline import outline
from dropbench.spec import RunSpec

SPLIT = {"n_train": None}
GCN = "dropbench.models.gcn.GCN"


def kept(*specs: RunSpec, keep: Keep, table: Table) -> dict[str, RunResult]:
    training = build(specs, outline(specs[0].model, table), table, CPU, keep=keep)
    return {result.spec.run_id: result for result in training.run()}


def said(result: RunResult) -> dict[str, Any]:
    assert result.predictions is not None
    return result.predictions


@pytest.mark.parametrize(
    ("model", "table"),
    [("mlp", made_table()), ("rnn", sentences()), (GCN, graph_table())],
    ids=["features", "sentences", "nodes"],
)
def test_a_classifier_keeps_what_was_right(model: str, table: Table) -> None:
    specs = [make_spec(model, variant="standard", rate=r, seed=s, split=SPLIT) for s in (1, 0) for r in (0.0, 0.4)]
    trained = Trained(*specs, table=table)
    for spec in specs:
        told = said(trained[spec])
        rows = split_for(table, spec.data, spec.seed).test.sort().values
        assert torch.equal(torch.from_numpy(told["rows"]), rows) and told["total"] == len(table.y)
        assert told["right"].mean() == trained[spec].metrics["test_accuracy"]
        assert np.array_equal(told["classes"], table.y[rows])
        assert np.array_equal(told["log_probabilities"].argmax(1) == told["classes"], told["right"])
        loss = -told["log_probabilities"].astype(float)[np.arange(len(rows)), told["classes"]].mean()
        assert loss == pytest.approx(trained[spec].metrics["test_loss"], rel=1e-3)
        alone = said(Trained(spec, table=table)[spec])
        assert alone.keys() == told.keys() and all(np.array_equal(alone[name], told[name]) for name in told)


def test_a_text_keeps_the_loss_of_each_word() -> None:
    table = running_text()
    spec = make_spec("lm", split=SPLIT, batch_size=4)
    spec = spec.model_copy(update={"metric": {"loss": spec.metric["loss"]}})
    result = Trained(spec, table=table)[spec]
    told = said(result)
    assert table.test is not None
    assert told["rows"].tolist() == table.test.tolist()
    assert len(told["rows"]) == len(told["loss"]) == result.part_sizes["test"]
    assert told["loss"].dtype == np.float16 and "right" not in told
    assert told["loss"].astype(float).mean() == pytest.approx(result.metrics["test_loss"], rel=1e-3)


def test_the_words_of_a_text_stand_in_its_order() -> None:
    """A word that no other is like, and that nothing was trained on, stands out at its own place."""
    table = running_text(words=9, train=400, val=60, test=60)
    rare = 480
    y, x = table.y.clone(), table.x.clone()
    y[(y == 8) & (torch.arange(len(y)) != rare)] = 7
    y[rare] = 8
    table = Table("rare", x, y, "W", 9, vocabulary=9, window=5, val=table.val, test=table.test)
    spec = make_spec("lm", split=SPLIT, batch_size=4, epochs=6, lr=0.05)
    spec = spec.model_copy(update={"metric": {"loss": spec.metric["loss"]}})
    told = said(Trained(spec, table=table)[spec])
    assert told["rows"][told["loss"].argmax()] == rare + 1  # y is the word after each


def test_a_reconstruction_keeps_the_error_of_each_example() -> None:
    table = made_table()
    spec = make_spec("autoencoder", split=SPLIT)
    spec = spec.model_copy(update={"metric": {"loss": spec.metric["loss"]}})
    result = Trained(spec, table=table)[spec]
    told = said(result)
    assert told["loss"].astype(float).mean() == pytest.approx(result.metrics["test_loss"], rel=1e-3)
    assert len(told["loss"]) == result.part_sizes["test"] and "right" not in told


def test_many_probabilities_are_kept_where_they_are_asked_for() -> None:
    table = made_table(n=30_000, classes=11)
    spec = make_spec(split={"n_train": 100, "val_fraction": 0.5}, epochs=1)
    found = {keep: kept(spec, keep=Keep(predictions=keep), table=table) for keep in ("auto", "probabilities", None)}  # type: ignore[arg-type]
    few, every, none = (found[keep][spec.run_id] for keep in found)
    assert "log_probabilities" not in said(few) and len(said(few)["right"]) == 6_000
    assert said(every)["log_probabilities"].shape == (6_000, 11)
    assert none.predictions is None and none.metrics == few.metrics == every.metrics


def test_nothing_is_kept_of_a_run_that_diverged() -> None:
    bad = make_spec(lr=1e30, optimizer="sgd", epochs=3)
    (result,) = cohort_of(bad).run()
    assert result.status == "diverged"
    assert result.predictions is None and result.weights is None
