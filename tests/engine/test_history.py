"""What a run reports about its epochs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from training import Trained, cohort_of, differences, make_spec, mlp_scores, numbers, table_of

from dropbench.data.batch import Batch
from dropbench.engine.evaluate import evaluate
from dropbench.engine.example_batches import ExampleBatches, split_for
from dropbench.engine.result import Progress


@pytest.mark.parametrize("noise", [{"label_noise": 0.0}, {"label_noise": 0.3}], ids=["clean", "label_noise"])
def test_gap_is_training_minus_validation_both_in_evaluation_mode(noise: dict[str, float]) -> None:
    specs = [make_spec(rate=r, seed=s, split=noise, label_smoothing=0.2) for r, s in ((0.5, 1), (0.3, 2))]
    done = Trained(*specs)
    for spec in specs:
        row = done[spec].history[-1]
        train, val, test = (mlp_scores(done.weights[spec.run_id], spec, part) for part in ("train", "val", "test"))
        for metric in ("loss", "accuracy"):
            assert row[f"train_{metric}"] == pytest.approx(train[metric], abs=1e-5)
            assert row[f"val_{metric}"] == pytest.approx(val[metric], abs=1e-5)
            assert row[f"gap_{metric}"] == pytest.approx(train[metric] - val[metric], abs=2e-5)
            assert done[spec].metrics[f"test_{metric}"] == pytest.approx(test[metric], abs=1e-5)
            for part in ("train", "val", "gap"):
                assert done[spec].metrics[f"{part}_{metric}"] == row[f"{part}_{metric}"]


def test_evaluation_draws_nothing_and_leaves_the_model_training() -> None:
    cohort = cohort_of(make_spec(rate=0.5))
    one, other = evaluate(cohort.replicas, "train"), evaluate(cohort.replicas, "train")
    assert all(torch.equal(one[m], other[m]) for m in one)
    assert cohort.replicas.model.training and cohort.replicas.noise.training
    fresh = cohort_of(make_spec(rate=0.5))
    batch = next(iter(cohort.replicas.batches.epoch()))
    assert torch.equal(cohort.train_step(batch, 1.0)[0], fresh.train_step(batch, 1.0)[0])


def test_label_smoothing_is_of_the_training_loss_alone() -> None:
    smooth, sharp = cohort_of(make_spec(label_smoothing=0.3)), cohort_of(make_spec())
    for part in ("train", "val", "test"):
        assert torch.equal(evaluate(smooth.replicas, part)["loss"], evaluate(sharp.replicas, part)["loss"])
    batch = next(iter(sharp.replicas.batches.epoch()))
    with torch.no_grad():
        logits = sharp.replicas.model(batch.x, sharp.replicas.noise)[0]
    expected = F.cross_entropy(logits, batch.y[0], label_smoothing=0.3)
    assert float(smooth.train_step(batch, 1.0)[0]) == pytest.approx(float(expected), rel=1e-5)
    assert float(sharp.train_step(batch, 1.0)[0]) == pytest.approx(float(F.cross_entropy(logits, batch.y[0])), rel=1e-5)


def test_a_row_an_epoch_with_scores_where_they_are_due() -> None:
    spec = make_spec(epochs=5, eval_every=2)
    history = Trained(spec)[spec].history
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert [int(row["epoch"]) for row in history if "val_loss" in row] == [2, 4, 5]
    batches = -(-spec.data.n_train // spec.train.batch_size)
    assert [row["updates"] for row in history] == [batches * e for e in range(1, 6)]
    assert all({"lr", "grad_norm", "seconds"} <= row.keys() for row in history)


def test_rates_are_those_in_force_at_each_site() -> None:
    spec = make_spec(rate=0.5, rates={"hidden.0": 0.2, "input": 0.1})
    silent = make_spec(rate=0.0, seed=1)
    none = make_spec(variant="none", seed=2)
    done = Trained(spec, silent, none)
    columns = {
        s.run_id: {k: v for k, v in done[s].history[-1].items() if k.startswith("rate/")} for s in done.cohort_specs
    }
    assert columns[spec.run_id] == pytest.approx({"rate/input": 0.1, "rate/hidden.0": 0.2, "rate/hidden.1": 0.5})
    assert columns[silent.run_id] == {"rate/hidden.0": 0.0, "rate/hidden.1": 0.0}
    assert columns[none.run_id] == {}
    by_itself = {k: v for k, v in Trained(silent)[silent].history[-1].items() if k.startswith("rate/")}
    assert by_itself == columns[silent.run_id]
    assert done[spec].rates == {"input": 0.1, "hidden.0": 0.2, "hidden.1": 0.5}


def test_the_same_config_twice_is_the_same_run() -> None:
    for spec in (make_spec("cnn", variant="gaussian", rate=0.4), make_spec("rnn", variant="locked", rate=0.4)):
        one, other = Trained(spec), Trained(spec)
        assert not differences(spec, one, other)
        assert one[spec].fingerprint == other[spec].fingerprint and one[spec].part_sizes == other[spec].part_sizes


def test_seed_zero_is_a_seed() -> None:
    a, b = make_spec(seed=0), make_spec(seed=1)
    done = Trained(a, b)
    assert done[a].history[0]["train_loss"] != done[b].history[0]["train_loss"]
    assert repr(numbers(Trained(a)[a])) == repr(numbers(done[a]))


def test_sizes_parameters_and_neighbours() -> None:
    specs = [make_spec(seed=s) for s in range(3)]
    result = Trained(*specs)[specs[1]]
    table = table_of(specs[0])
    split = split_for(table, specs[0].data, 1)
    assert result.part_sizes == {part: len(getattr(split, part)) for part in ("train", "val", "test")}
    assert result.parameters == 64 * 24 + 24 + 24 * 16 + 16 + 16 * 10 + 10
    assert result.cohort_size == 3 and result.notes == [] and result.fingerprint == table.fingerprint
    assert result.seconds == pytest.approx(sum(row["seconds"] for row in result.history)) and result.seconds > 0


def test_the_time_of_an_epoch_is_shared_by_its_runs() -> None:
    began = time.perf_counter()
    done = Trained(*(make_spec(seed=s) for s in range(4)))
    whole = time.perf_counter() - began
    seconds = [[row["seconds"] for row in done[s].history] for s in done.cohort_specs]
    assert all(one == seconds[0] for one in seconds)
    assert 0 < 4 * sum(seconds[0]) < whole


@pytest.mark.parametrize("train", [{}, {"patience": 1, "lr": 0.5, "epochs": 8}], ids=["to_the_end", "early"])
def test_the_test_split_is_read_once_a_run(monkeypatch: pytest.MonkeyPatch, train: dict[str, Any]) -> None:
    reads: list[int] = []
    part = ExampleBatches.part

    def spy(self: ExampleBatches, name: str, chunk: int) -> Iterator[Batch]:
        for i, batch in enumerate(part(self, name, chunk)):
            if name == "test" and i == 0:
                reads.append(len(batch.y))
            yield batch

    monkeypatch.setattr(ExampleBatches, "part", spy)
    specs = [make_spec(seed=s, **train) for s in range(4)]
    done = Trained(*specs)
    last = [len(done[s].history) for s in specs]
    # Those that leave in the same epoch are tested together, and nobody else with them.
    assert reads == [last.count(epoch) for epoch in sorted(set(last))]


def test_the_listener_hears_of_every_run_still_training() -> None:
    specs = [make_spec(seed=s, patience=1, lr=0.5, epochs=8) for s in range(4)]
    heard: list[Progress] = []
    cohort = cohort_of(*specs)
    results = {r.spec.run_id: r for r in cohort.run(heard.append)}
    for spec in specs:
        rows = [p.rows[spec.run_id] for p in heard if spec.run_id in p.rows]
        assert rows == results[spec.run_id].history
    assert [p.epoch for p in heard] == list(range(1, len(heard) + 1)) and {p.epochs for p in heard} == {8}
