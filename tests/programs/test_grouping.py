"""How evenly weight is shared, by hand and of copies of a feature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from dropbench.programs.grouping import beside_elastic_net, beside_l1, dropout, rows, unevenness


def test_unevenness_by_hand() -> None:
    one, all_five = torch.zeros(40), torch.zeros(40)
    one[[0, 7, 14]] = torch.tensor([2.0, -3.0, 0.5])
    all_five[:15] = torch.tensor([1.0, -2.0, 3.0]).repeat_interleave(5)
    all_five[15:] = 99  # features without a group are not looked at
    assert unevenness(one) == pytest.approx(2)
    assert unevenness(all_five) == 0
    assert unevenness(torch.zeros(40)) == 0
    halves = torch.zeros(40)
    halves[:15] = torch.tensor([1.0, 0, 1, 0, 0]).repeat(3)
    assert unevenness(halves) == pytest.approx((0.4 * 0.6) ** 0.5 / 0.4)


def test_dropout_comes_close_to_the_ridge_that_it_is_in_expectation() -> None:
    """Of rate one half it adds the diagonal of X'X to X'X; Wager et al. 2013. The steps of Adam leave noise."""
    x, y = (t.double().numpy() for t in rows(1))
    gram = x.T @ x
    exact = np.linalg.solve(gram + np.diag(np.diag(gram)), x.T @ y)
    ours = dropout(1).double().numpy()
    assert np.corrcoef(ours, exact)[0, 1] > 0.9
    assert unevenness(torch.from_numpy(exact)) < unevenness(torch.from_numpy(ours)) < 0.4


def test_l1_chooses_one_feature_of_a_group_and_the_elastic_net_several() -> None:
    x, y = (t.double().numpy() for t in rows(2))
    assert unevenness(torch.from_numpy(Lasso(alpha=0.1).fit(x, y).coef_)) > 1.2
    assert beside_l1(2) < beside_elastic_net(2) < 0
