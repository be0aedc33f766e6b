"""Metrics for classes of unequal size: against scikit-learn, and what must not change them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_logits import examples
from sklearn import metrics as sk
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.auroc import auroc
from dropbench.metrics.average_precision import average_precision
from dropbench.metrics.balanced_accuracy import balanced_accuracy
from dropbench.metrics.macro_f1 import macro_f1
from dropbench.metrics.mcc import mcc

Metric = Callable[[Tensor, Tensor], Tensor]

OF_ANSWERS = {balanced_accuracy: sk.balanced_accuracy_score, mcc: sk.matthews_corrcoef}
OF_ANSWERS[macro_f1] = lambda y, answers: sk.f1_score(y, answers, average="macro")
OF_RANKS = [auroc, average_precision]
ALL = [*OF_ANSWERS, *OF_RANKS]

shapes = st.tuples(st.integers(1, 300), st.integers(2, 6), st.integers(0, 99))


def rough(n: int, c: int, seed: int) -> tuple[Tensor, Tensor]:
    """Examples of unequal classes, whose logits say something of them and are often those of another."""
    logits, targets = examples(1, n, c, seed)
    targets = torch.minimum(targets, targets.flip(1))  # the first classes are more frequent
    logits = logits + 2 * torch.nn.functional.one_hot(targets, c)
    return logits[:, np.random.default_rng(seed).integers(0, n, n) // 2], targets


@pytest.mark.parametrize("metric", OF_ANSWERS)
@given(shape=shapes)
def test_answers_against_scikit_learn(metric: Metric, shape: tuple[int, int, int]) -> None:
    logits, targets = rough(*shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of classes that are answered and not there
        theirs = OF_ANSWERS[metric](targets[0].numpy(), logits[0].argmax(-1).numpy())
    assert metric(logits, targets).item() == pytest.approx(theirs, abs=1e-12)


@given(shape=shapes)
def test_rankings_against_scikit_learn(shape: tuple[int, int, int]) -> None:
    """Class by class, averaged over those that are there."""
    logits, targets = rough(*shape)
    y, p = targets[0].numpy(), logits[0].double().softmax(-1).numpy()
    looked_for = [1] if shape[1] == 2 else range(shape[1])
    there = [c for c in looked_for if 0 < (y == c).sum() < len(y)]
    areas = [sk.roc_auc_score(y == c, p[:, c]) for c in there]
    assert auroc(logits, targets).item() == pytest.approx(np.mean(areas) if areas else 0.5, abs=1e-12)
    precisions = [sk.average_precision_score(y == c, p[:, c]) for c in looked_for if (y == c).any()]
    assert average_precision(logits, targets).item() == pytest.approx(np.mean(precisions or [0]), abs=1e-12)


def test_the_multi_class_area_is_what_scikit_learn_calls_one_vs_rest() -> None:
    logits, targets = rough(200, 4, 3)
    p = logits[0].double().softmax(-1).numpy()
    theirs = sk.roc_auc_score(targets[0].numpy(), p, multi_class="ovr", average="macro")
    assert auroc(logits, targets).item() == pytest.approx(theirs, abs=1e-12)
    hot = torch.nn.functional.one_hot(targets[0], 4).numpy()
    assert average_precision(logits, targets).item() == pytest.approx(sk.average_precision_score(hot, p), abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
@given(shape=shapes)
def test_alone_and_in_a_stack_to_the_last_bit(metric: Metric, shape: tuple[int, int, int]) -> None:
    logits, targets = examples(7, *shape)
    whole = metric(logits, targets)
    assert whole.dtype == torch.float64 and whole.shape == (7,)
    alone = torch.cat([metric(logits[k : k + 1], targets[k : k + 1]) for k in range(7)])
    assert torch.equal(whole, alone)
    assert torch.equal(metric(logits[[5, 2]], targets[[5, 2]]), whole[[5, 2]])


@pytest.mark.parametrize("metric", ALL)
@given(shape=shapes)
def test_the_order_of_examples_and_a_shift_of_logits_do_not_matter(metric: Metric, shape: tuple[int, int, int]) -> None:
    logits, targets = rough(*shape)
    order = torch.from_numpy(np.random.default_rng(shape[2]).permutation(shape[0]))
    found = metric(logits, targets).item()
    assert metric(logits[:, order], targets[:, order]).item() == pytest.approx(found, abs=1e-12)
    assert metric(logits + 8, targets).item() == pytest.approx(found, abs=1e-9)
    assert -1 <= found <= 1


@pytest.mark.parametrize("metric", [balanced_accuracy, macro_f1, mcc, auroc])
@given(shape=shapes)
def test_the_names_of_classes_do_not_matter(metric: Metric, shape: tuple[int, int, int]) -> None:
    logits, targets = examples(1, *shape)
    renamed = torch.from_numpy(np.random.default_rng(shape[2]).permutation(shape[1]))
    found = metric(logits, targets).item()
    assert metric(logits[..., renamed.argsort()], renamed[targets]).item() == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("metric", OF_RANKS)
@given(shape=shapes)
def test_of_two_classes_only_the_order_counts(metric: Metric, shape: tuple[int, int, int]) -> None:
    """However sure a network is: probabilities that round to 1 are still apart."""
    logits, targets = examples(1, shape[0], 2, shape[2])
    assert metric(1000 * logits, targets).item() == metric(logits, targets).item()


@given(shape=shapes)
def test_copies_of_a_class_change_no_balanced_accuracy(shape: tuple[int, int, int]) -> None:
    logits, targets = examples(1, *shape)
    again = torch.cat([torch.arange(shape[0]), *[torch.nonzero(targets[0] == 0)[:, 0]] * 3])
    copied = balanced_accuracy(logits[:, again], targets[:, again]).item()
    assert copied == pytest.approx(balanced_accuracy(logits, targets).item(), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_who_always_says_the_most_frequent_class_has_the_value_of_chance(classes: int) -> None:
    targets = torch.tensor([[0] * 90 + list(range(1, classes)) * 3])
    logits = torch.zeros(1, targets.shape[1], classes)
    logits[..., 0] = 1
    assert accuracy(logits, targets).item() > 0.85
    assert balanced_accuracy(logits, targets).item() == pytest.approx(1 / classes)
    assert mcc(logits, targets).item() == 0
    assert auroc(logits, targets).item() == 0.5
    shares = [float((targets == c).double().mean()) for c in range(classes)]
    chance = shares[1] if classes == 2 else np.mean(shares)
    assert average_precision(logits, targets).item() == pytest.approx(chance)


@pytest.mark.parametrize("metric", ALL)
def test_who_is_always_right_has_one(metric: Metric) -> None:
    targets = torch.tensor([[0, 0, 0, 1, 2, 3, 3]])
    logits = 3.0 * torch.nn.functional.one_hot(targets, 4)
    assert metric(logits, targets).item() == 1.0
    assert metric(logits[..., :2], targets.clamp(max=1)).item() <= 1.0


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("only", [0, 1])
def test_a_part_of_one_class_has_a_number(metric: Metric, only: int) -> None:
    logits, _ = examples(2, 30, 2, 0)
    found = metric(logits, torch.full((2, 30), only))
    assert bool(torch.isfinite(found).all())
    if metric is auroc:
        assert found.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("metric", OF_RANKS)
@pytest.mark.parametrize("classes", [2, 3])
def test_logits_that_are_no_numbers_show_and_cost_the_others_nothing(metric: Metric, classes: int) -> None:
    logits, targets = examples(2, 20, classes, 0)
    logits[0, 3, 1] = float("nan")
    assert torch.isfinite(metric(logits, targets)).tolist() == [False, True]


def test_counts_of_large_data_do_not_overflow() -> None:
    n = 100_000
    targets = (torch.arange(n) % 2)[None]
    logits = torch.nn.functional.one_hot(targets, 2).float()
    assert mcc(logits, targets).item() == 1.0 and auroc(logits, targets).item() == 1.0
