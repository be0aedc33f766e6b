"""Early stopping: when a run is over, which epoch is chosen, and whose weights are tested."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from training import Trained, cohort_of, make_spec, mlp_scores

from dropbench.engine.early_stopping import EarlyStopping
from dropbench.spec import MetricSpec


class Weights(nn.Module):
    """A parameter and a buffer of K replicas, to be set."""

    def __init__(self, replicas: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(replicas, 2))
        self.register_buffer("mean", torch.zeros(replicas, 3))

    def fill(self, values: Tensor) -> None:
        with torch.no_grad():
            self.weight.copy_(values[:, None].expand_as(self.weight))
            self.mean.copy_(values[:, None].expand_as(self.mean))


def watch(model: nn.Module, replicas: int, **train: Any) -> EarlyStopping:
    spec = make_spec(**train)
    return EarlyStopping(spec.train, model, replicas, spec.metric[spec.train.monitored].direction)


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
@given(scores=st.lists(st.integers(0, 6), min_size=1, max_size=12), patience=st.integers(1, 4))
def test_over_after_patience_epochs_without_a_better_one(monitor: str, scores: list[int], patience: int) -> None:
    model = Weights(1)
    found = watch(model, 1, patience=patience, monitor=monitor)
    better = min if monitor == "val_loss" else max
    for epoch, score in enumerate(scores, 1):
        model.fill(torch.tensor([float(epoch)]))
        over = found.update(epoch, {monitor: torch.tensor([float(score)])}, model)
        best = scores.index(better(scores[:epoch])) + 1  # the first of equals
        assert over == [epoch - best >= patience]
        assert found.chosen(0, epoch) == best
        if over[0]:
            break
    found.restore(model, torch.tensor([0]))
    assert bool((model.weight == best).all()) and bool((model.mean == best).all())


def test_each_replica_has_its_own_best() -> None:
    model = Weights(3)
    found = watch(model, 3, patience=2)
    losses = [[3.0, 1.0, 2.0], [2.0, 2.0, 2.0], [1.0, 3.0, 3.0]]
    for epoch, row in enumerate(losses, 1):
        model.fill(torch.tensor([10.0, 20.0, 30.0]) + epoch)
        over = found.update(epoch, {"val_loss": torch.tensor(row)}, model)
    assert over == [False, True, True]
    assert [found.chosen(k, 3) for k in range(3)] == [3, 1, 1]
    left = Weights(2)
    found.restore(left, torch.tensor([2, 0]))
    assert left.weight[:, 0].tolist() == [31.0, 13.0]
    found.narrow(torch.tensor([2]))
    assert found.chosen(0, 3) == 1
    last = Weights(1)
    found.restore(last, torch.tensor([0]))
    assert last.mean[0, 0] == 31.0


def test_without_patience_nothing_is_watched() -> None:
    model = Weights(2)
    found = watch(model, 2, patience=None)
    assert found.update(1, {"val_loss": torch.tensor([1.0, 2.0])}, model) == [False, False]
    assert found.chosen(1, 7) == 7


def test_not_a_number_is_never_best_and_an_epoch_without_scores_ends_nothing() -> None:
    model = Weights(1)
    found = watch(model, 1, patience=1)
    assert found.update(1, {"val_loss": torch.tensor([2.0])}, model) == [False]
    assert found.update(2, {}, model) == [False]
    assert found.update(3, {"val_loss": torch.tensor([float("nan")])}, model) == [True]
    assert found.chosen(0, 3) == 1


SETTINGS: dict[str, Any] = {"epochs": 12, "patience": 2, "lr": 0.1, "batch_size": 33}


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize("restore", [True, False])
def test_a_run_stops_and_is_tested_with_the_weights_it_should(monitor: str, restore: bool) -> None:
    specs = [make_spec(seed=s, rate=0.3, monitor=monitor, restore_best=restore, **SETTINGS) for s in range(3)]
    done = Trained(*specs)
    assert min(len(done[s].history) for s in specs) < 12
    for spec in specs:
        result = done[spec]
        values = [row[monitor] for row in result.history]
        best = values.index(min(values) if monitor == "val_loss" else max(values)) + 1
        assert len(values) == min(best + 2, 12)
        chosen = best if restore else len(values)
        assert result.chosen_epoch == chosen
        # Restored or not, the weights of the chosen epoch are those that were tested, and give its row again.
        for part in ("train", "val", "test"):
            by_hand = mlp_scores(done.weights[spec.run_id], spec, part)
            for metric, value in by_hand.items():
                assert result.metrics[f"{part}_{metric}"] == pytest.approx(value, abs=1e-4)
                if part != "test":
                    assert result.metrics[f"{part}_{metric}"] == result.history[chosen - 1][f"{part}_{metric}"]
        assert result.metrics["gap_loss"] == result.history[chosen - 1]["gap_loss"]


def test_batch_norm_statistics_come_back_too() -> None:
    """The same run with as many epochs as its best, and no early stopping, ends in the same state."""
    spec = make_spec(seed=2, rate=0.3, options={"batch_norm": "after_activation"}, **SETTINGS)
    stopped = Trained(spec)
    epochs = stopped[spec].chosen_epoch
    assert epochs is not None and epochs < len(stopped[spec].history)
    short = make_spec(
        seed=2, rate=0.3, options={"batch_norm": "after_activation"}, **{**SETTINGS, "epochs": epochs, "patience": None}
    )
    fresh = Trained(short)
    for name, value in fresh.weights[short.run_id].items():
        assert torch.equal(value, stopped.weights[spec.run_id][name]), name
    assert fresh[short].metrics == stopped[spec].metrics


def test_a_finished_replica_leaves_the_stack() -> None:
    specs = [make_spec(seed=s, **SETTINGS) for s in range(4)]
    done = Trained(*specs)
    sizes: list[int] = []
    cohort = cohort_of(*specs)
    for _ in cohort.run(lambda progress: sizes.append(len(cohort.parameters[0]))):
        pass
    ends = [len(done[s].history) for s in specs]
    assert sizes == [sum(end >= epoch for end in ends) for epoch in range(1, max(ends) + 1)]
    assert sizes[-1] < 4


def test_patience_counts_epochs_where_not_all_are_evaluated() -> None:
    spec = make_spec(seed=1, eval_every=2, **SETTINGS)
    result = Trained(spec)[spec]
    assert result.chosen_epoch is not None
    assert "val_loss" in result.history[result.chosen_epoch - 1] and "val_loss" in result.history[-1]


@pytest.mark.parametrize(("metric", "better"), [("mcc", "higher"), ("brier", "lower")])
def test_the_direction_is_the_one_that_the_metric_declares(metric: str, better: str) -> None:
    spec = make_spec(seed=1, rate=0.3, monitor=f"val_{metric}", **SETTINGS)
    watched = MetricSpec(name=metric, _target_=f"dropbench.metrics.{metric}.{metric}", direction=better)
    spec = spec.model_copy(update={"metric": {**spec.metric, metric: watched}})
    result = Trained(spec)[spec]
    values = [row[f"val_{metric}"] for row in result.history]
    assert result.chosen_epoch == values.index((max if better == "higher" else min)(values)) + 1 < len(values)
