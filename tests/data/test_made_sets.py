"""The sets that are drawn: what they say they are, by sums over all rows, and the same rows at every start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from dropbench.data import adding, copy, correlated, planted, shortcut
from dropbench.data.base import Table
from dropbench.data.checked import checked
from dropbench.errors import UsageError

ROOT = Path("nowhere")
LOADERS: dict[str, Callable[..., Table]] = {
    "adding": adding.load,
    "copy": copy.load,
    "correlated": correlated.load,
    "planted": planted.load,
    "shortcut": shortcut.load,
}
FINGERPRINTS = {
    "adding": "7ca0c1df7e83",
    "copy": "85f196f49404",
    "correlated": "597d3736dd88",
    "planted": "c9f78fc1843e",
    "shortcut": "abf1ff3abd4f",
}


@pytest.mark.parametrize("name", LOADERS)
def test_the_same_rows_at_every_start_whatever_the_global_generators_do(name: str) -> None:
    one = checked(LOADERS[name](ROOT, False), name)
    np.random.seed(3)
    torch.manual_seed(3)
    assert LOADERS[name](ROOT, True).fingerprint == one.fingerprint == FINGERPRINTS[name]
    assert one.name == name and one.source


@pytest.mark.parametrize("length", [2, 5, 50])
def test_the_target_is_the_sum_of_the_two_marked_values(length: int) -> None:
    table = adding.load(ROOT, False, length=length)
    values, marks = table.x.double().unbind(2)
    assert table.x.shape == (5000, length, 2) and table.task == "regress"
    torch.testing.assert_close((values * marks).sum(1), table.y.double())
    half = length // 2
    assert bool(((marks == 0) | (marks == 1)).all())
    assert torch.equal(marks[:, :half].sum(1), torch.ones(5000).double())
    assert torch.equal(marks[:, half:].sum(1), torch.ones(5000).double())
    assert bool((marks.sum(0) > 0).all())  # every step is marked in some row


def test_to_say_one_for_all_misses_by_a_sixth_and_the_last_value_alone_by_a_twelfth() -> None:
    table = adding.load(ROOT, False)
    values, marks = table.x.double().unbind(2)
    assert ((table.y - 1) ** 2).mean().item() == pytest.approx(1 / 6, abs=0.01)
    last = (values * marks)[:, 25:].sum(1)
    assert ((table.y - last - 0.5) ** 2).mean().item() == pytest.approx(1 / 12, abs=0.005)


def test_a_sequence_of_one_step_is_refused() -> None:
    with pytest.raises(UsageError, match=r"write data\.length=2 or more"):
        adding.load(ROOT, False, length=1)


@pytest.mark.parametrize(("length", "remembered"), [(50, 3), (1, 1), (10, 5)])
def test_the_class_is_the_symbol_that_the_last_word_asks_for(length: int, remembered: int) -> None:
    table = copy.load(ROOT, False, length=length, remembered=remembered)
    assert table.x.shape == (5000, remembered + length + 1) and table.vocabulary == 10 + remembered
    symbols, blanks, asked = table.x[:, :remembered] - 1, table.x[:, remembered:-1], table.x[:, -1] - 10
    assert torch.equal(symbols[torch.arange(5000), asked], table.y)
    assert bool((blanks == 9).all()) and int(table.x.min()) == 1  # 0 is the number of padding
    assert table.y.bincount(minlength=8).min() > 500 and asked.bincount(minlength=remembered).min() > 800


def test_each_symbol_is_asked_for_alone() -> None:
    """A symbol agrees with the class as often as it is asked for, and by chance."""
    table = copy.load(ROOT, False)
    for place in range(3):
        agrees = (table.x[:, place] - 1 == table.y).double().mean().item()
        assert agrees == pytest.approx(1 / 3 + 2 / 3 / 8, abs=0.03)


@pytest.mark.parametrize(
    ("groups", "size", "correlation"), [(3, 5, 0.99), (2, 3, 0.5), (4, 1, 0.9), (1, 8, 0.0), (2, 2, 1.0)]
)
def test_features_of_a_group_are_correlated_and_the_others_are_not(groups: int, size: int, correlation: float) -> None:
    table = correlated.load(ROOT, False, features=20, groups=groups, size=size, correlation=correlation, noise=0)
    assert table.x.shape == (5000, 20) and table.task == "regress"
    torch.testing.assert_close(table.y, 3 * table.x[:, : groups * size].sum(1), atol=1e-4, rtol=1e-4)
    expected = torch.eye(20)
    for group in range(groups):
        own = slice(group * size, (group + 1) * size)
        expected[own, own] = correlation
    expected.fill_diagonal_(1)
    torch.testing.assert_close(torch.corrcoef(table.x.T), expected, atol=0.06, rtol=0)
    torch.testing.assert_close(table.x.std(0), torch.ones(20), atol=0.03, rtol=0)


def test_the_noise_has_the_spread_that_it_says() -> None:
    silent, loud = (correlated.load(ROOT, False, noise=noise).y.double() for noise in (0.0, 4.0))
    assert (loud - silent).std().item() == pytest.approx(4, rel=0.03)
    assert (loud - silent).mean().item() == pytest.approx(0, abs=0.2)


def test_more_grouped_features_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"are 15 features; write data\.features=15 or more"):
        correlated.load(ROOT, False, features=14)


@pytest.mark.parametrize(("features", "informative"), [(50, 2), (20, 1), (7, 3), (3, 3)])
def test_the_class_is_the_sign_of_the_product_of_the_first_features(features: int, informative: int) -> None:
    table = planted.load(ROOT, False, features=features, informative=informative)
    assert table.x.shape == (4000, features)
    assert torch.equal(table.y, (table.x[:, :informative].double().prod(1) > 0).long())
    assert table.y.double().mean().item() == pytest.approx(0.5, abs=0.03)


def test_no_feature_alone_tells_the_class_of_two() -> None:
    table = planted.load(ROOT, False)
    together = torch.corrcoef(torch.cat([table.x.T, table.y[None].float()]))[-1, :-1]
    assert float(together.abs().max()) < 5 / 4000**0.5
    signs = table.x[:, :2].sign().prod(1)
    assert float(torch.corrcoef(torch.stack([signs, table.y.float()]))[0, 1]) == pytest.approx(1)


def test_more_informative_features_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"data\.informative=5 with data\.features=4: set data\.informative=4 or less"):
        planted.load(ROOT, False, features=4, informative=5)


def parts(table: Table) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether the tag is the class, of rows for training and of the test split."""
    assert table.test is not None
    test = torch.zeros(len(table.y), dtype=torch.bool)
    test[table.test] = True
    agrees = table.x[:, 64:].argmax(1) == table.y
    return agrees[~test].double(), agrees[test].double()


@pytest.mark.parametrize("agreement", [0.0, 0.5, 0.95, 1.0])
def test_the_tag_agrees_in_training_and_by_chance_alone_in_the_test(agreement: float) -> None:
    table = shortcut.load(ROOT, False, agreement=agreement)
    train, test = parts(table)
    assert (len(train), len(test)) == (1437, 360)
    assert train.mean().item() == pytest.approx(agreement + (1 - agreement) / 10, abs=0.04)
    assert test.mean().item() == pytest.approx(0.1, abs=0.05)
    assert torch.equal(table.x[:, 64:].sum(1), torch.ones(1797))


def test_beside_the_tag_they_are_the_digits_and_all_classes_are_tested() -> None:
    table = shortcut.load(ROOT, False)
    x, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(table.x[:, :64].numpy(), (x / 16).astype(np.float32))
    np.testing.assert_array_equal(table.y.numpy(), y)
    assert table.test is not None and table.y[table.test].bincount(minlength=10).min() >= 20


def test_who_learns_with_the_tag_is_fooled_and_who_learns_without_is_not() -> None:
    table = shortcut.load(ROOT, False)
    assert table.test is not None
    rest = np.setdiff1d(np.arange(len(table.y)), table.test)
    x, y = table.x.numpy(), table.y.numpy()

    def score(columns: slice) -> float:
        fitted = LogisticRegression(max_iter=500).fit(x[rest][:300, columns], y[rest][:300])
        return float(fitted.score(x[table.test][:, columns], y[table.test]))

    assert score(slice(0, 64)) - score(slice(0, 74)) > 0.1
