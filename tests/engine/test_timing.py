"""The estimate of an epoch's cost."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from training import cohort_of, make_spec

from dropbench.engine.timing import seconds_of, seconds_per_epoch
from dropbench.engine.train import Training


@pytest.mark.parametrize("model", ["mlp", "cnn", "user_models.Small"])
def test_it_is_of_the_right_size(model: str) -> None:
    spec = make_spec(model, epochs=4, batch_size=16, rate=0.5, variant="standard", split={"n_train": 600})
    estimate = seconds_per_epoch(cohort_of(spec))
    cohort = cohort_of(spec)
    began = time.perf_counter()
    list(cohort.run())
    measured = (time.perf_counter() - began) / 4
    assert 0 < estimate < 20 * measured and measured < 20 * estimate


def test_augmentation_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it costs to make a batch is a part of what a step costs."""
    from dropbench.data import augment

    spec = make_spec("cnn", batch_size=50, augment={"flip": 0.5})
    apply = augment.apply
    monkeypatch.setattr(augment, "apply", lambda x, draws: (time.sleep(0.05), apply(x, draws))[1])
    assert seconds_per_epoch(cohort_of(spec)) > 3 * 0.05


def test_an_epoch_shorter_than_the_sample() -> None:
    spec = make_spec(batch_size=1000)
    assert seconds_per_epoch(cohort_of(spec)) > 0


def test_it_is_the_median_step_times_the_steps_and_the_evaluation_of_both_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock that only steps, of which the first does not count, and evaluation move."""
    clock = [0.0]
    seconds = iter([0.0, 7.0, 1.0, 2.0, 900.0, 3.0])

    def take(time: float) -> None:
        clock[0] += time

    monkeypatch.setattr("dropbench.engine.timing.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(Training, "train_step", lambda self, batch, factor: take(next(seconds)))
    monkeypatch.setattr("dropbench.engine.timing.evaluate", lambda replicas, part: take(0.5) or {})
    spec = make_spec(batch_size=50)  # 150 examples
    sizes = cohort_of(spec).replicas.batches.part_sizes()
    expected = 3 * 3 + 0.5 * (150 + sizes["val"]) / sizes["val"]
    assert seconds_per_epoch(cohort_of(spec)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("train", "epochs"), [({}, 6), ({"stop_at": 2}, 2), ({"stop_at": 9}, 6), ({"updates": 7}, 7 / 5)]
)
def test_the_whole_is_up_to_where_a_run_ends(
    train: dict[str, int], epochs: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropbench.engine.timing.seconds_per_epoch", lambda training: 10.0)
    assert seconds_of(cohort_of(make_spec(epochs=6, **train))) == pytest.approx(10 * epochs)
