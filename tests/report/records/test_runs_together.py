"""Ensembles of runs and churn between them: by hand, against scikit-learn, and on their way through a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.records.measures import Measures
from dropbench.report.records.said import mean_score
from dropbench.report.records.together import asked, averaged, churn
from dropbench.report.tables.asked import Questions
from dropbench.store import Store
from dropbench.store.predictions import Predictions, dumped
from dropbench.store.record import PREDICTIONS

N, CLASSES = 40, 3
TRUE = np.random.default_rng(9).integers(0, CLASSES, N).astype(np.uint8)


def said(seed: int, arm: int = 0, rows: np.ndarray[Any, Any] | None = None) -> Predictions:
    """Of a network that leans to the true class."""
    logits = np.random.default_rng([seed, arm]).normal(size=(N, CLASSES)) + 1.2 * np.eye(CLASSES)[TRUE]
    logs = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float16)
    rows = np.arange(0, 2 * N, 2) if rows is None else rows
    return Predictions(200, rows, right=logs.argmax(1) == TRUE, log_probabilities=logs, classes=TRUE)


def mean_probabilities(seeds: range, arm: int = 0) -> np.ndarray[Any, Any]:
    p = np.mean([np.exp(said(s, arm).log_probabilities.astype(float)) for s in seeds], axis=0)  # type: ignore[union-attr]
    return np.asarray(p / p.sum(1, keepdims=True))


def test_an_ensemble_scores_as_scikit_learn_scores_the_mean_probabilities() -> None:
    both = averaged([said(s) for s in range(5)])
    p = mean_probabilities(range(5))
    assert mean_score(both, "accuracy") == pytest.approx(accuracy_score(TRUE, p.argmax(1)))
    assert mean_score(both, "loss") == pytest.approx(log_loss(TRUE, p), rel=2e-3)
    assert mean_score(both, "brier") == pytest.approx(((p - np.eye(CLASSES)[TRUE]) ** 2).sum(1).mean(), rel=5e-3)


@given(seeds=st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_the_mean_prediction_loses_no_more_than_the_networks_on_average(seeds: list[int]) -> None:
    alone = [mean_score(said(s), "loss") for s in seeds]
    together = mean_score(averaged([said(s) for s in seeds]), "loss")
    assert together is not None and together <= np.mean([a for a in alone if a is not None]) + 2e-3  # Jensen


def test_of_numbers_the_mean_is_of_what_is_predicted() -> None:
    random = np.random.default_rng(0)
    errors = [random.normal(size=N) for _ in range(3)]
    both = averaged([Predictions(200, np.arange(N), error=e, spread=1.0) for e in errors])
    assert mean_score(both, "rmse") == pytest.approx(float(np.sqrt(((sum(errors) / 3) ** 2).mean())))


def test_churn_by_hand_and_its_properties() -> None:
    def voting(*classes: int) -> Predictions:
        logs = np.log(np.eye(3)[list(classes)] * 0.8 + 0.1).astype(np.float16)
        return Predictions(9, np.arange(4), right=np.zeros(4, bool), log_probabilities=logs, classes=TRUE[:4])

    assert churn(voting(0, 1, 2, 0), voting(0, 2, 2, 1)) == 0.5
    assert churn(voting(0, 1, 2, 0), voting(0, 1, 2, 0)) == 0
    a, b, c = said(1), said(2), said(3)
    assert churn(a, b) == churn(b, a) and churn(a, c) <= churn(a, b) + churn(b, c)


def test_what_is_asked(fake: Any) -> None:
    measures = Measures.of_records([fake(0)])
    for text, column, size in (
        ("test_accuracy of 5 runs", "test_accuracy_of_5_runs", 5),
        ("loss_of_2_runs", "test_loss_of_2_runs", 2),
        ("churn", "test_churn", 2),
        ("test_churn", "test_churn", 2),
    ):
        wanted = asked(text, measures)
        assert wanted is not None and (str(wanted.measure), wanted.size) == (column, size)
    assert asked("test_accuracy", measures) is None and asked("epochs to val_accuracy=0.9", measures) is None
    with pytest.raises(
        UsageError,
        match="the score of an ensemble can be accuracy, loss, brier, mae, rmse; write 'test_accuracy of 5 runs'",
    ):
        asked("test_ece of 5 runs", measures)
    with pytest.raises(UsageError, match="needs at least two runs; write 'test_loss of 5 runs'"):
        asked("loss of 1 runs", measures)


@pytest.fixture
def stored(store: Store, fake: Any) -> Store:
    """Thirteen seeds of two arms on one split."""
    for seed in range(13):
        for arm, changes in enumerate((None, {"dropout": "standard", "dropout.rate": 0.5})):
            put(store, fake, seed, arm, changes, said(seed, arm))
    return store


def put(store: Store, fake: Any, seed: int, arm: int, changes: Any, of: Predictions | None) -> None:
    right = 0.5 if of is None or of.right is None else float(of.right.mean())
    beside = {} if of is None else {PREDICTIONS: dumped(of)}
    store.write(fake(seed, changes=changes, test=right), [], "", beside=beside)


def answers(store: Store, text: str) -> Any:
    made = report.asked([store.root], [], Questions.typed(contrasts=[text]))
    assert made.asked is not None
    return made.asked.answers[0].contrast


def test_seeds_are_grouped_in_order_and_none_counts_twice(stored: Store) -> None:
    got = answers(stored, "none['test_accuracy of 5 runs'] - none.test_accuracy")
    expected = {
        first: accuracy_score(TRUE, mean_probabilities(range(first, first + 5)).argmax(1))
        - mean_score(said(first), "accuracy")
        for first in (0, 5)  # 10 to 12 are no five
    }
    assert got.values == pytest.approx(expected)


def test_churn_of_two_arms_is_paired_by_the_same_seeds(stored: Store) -> None:
    got = answers(stored, "arm('standard 0.5').churn - none.churn")
    assert got.values == pytest.approx(
        {s: churn(said(s, 1), said(s + 1, 1)) - churn(said(s), said(s + 1)) for s in range(0, 12, 2)}
    )
    assert got.measure.direction == -1 and got.measure.in_percent


def test_a_metric_that_is_asked_for_may_be_of_runs_together(stored: Store) -> None:
    comparison = report.build([stored.root], metric="churn").comparisons[0]
    assert comparison.verdicts["standard 0.5"].difference.n == 6
    assert any("none is in two groups" in note for note in report.build([stored.root], metric="churn").notes)


def test_other_examples_are_refused_with_what_to_type(store: Store, fake: Any) -> None:
    for seed in range(4):
        put(store, fake, seed, 0, None, said(seed, rows=np.arange(seed, seed + N)))
    with pytest.raises(
        UsageError, match=r"seeds 0 and 1 tested different examples; train with one split.*data\.split_seed=0"
    ):
        answers(store, "none.churn - 0.1")


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (None, "did not keep their prediction for each test example; train with eval.keep=probabilities"),
        (Predictions(200, np.arange(N), right=np.ones(N, bool)), "did not keep the probabilities"),
    ],
)
def test_what_was_not_kept_is_said(store: Store, fake: Any, kept: Predictions | None, says: str) -> None:
    for seed in range(2):
        put(store, fake, seed, 0, None, kept)
    with pytest.raises(UsageError, match=says):
        answers(store, "none['test_accuracy of 2 runs'] - 0.5")


def test_too_few_seeds_for_a_group(stored: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs 20 seeds at a time, and there are 13 here; train more seeds"):
        answers(stored, "none['test_accuracy of 20 runs'] - 0.5")
