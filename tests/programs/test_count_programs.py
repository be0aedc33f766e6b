"""Models of counts against torch's distributions, their fit to counts whose model is known, and the head that uses them."""

from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.distributions import NegativeBinomial, Poisson

from dropbench.programs import count_head, counts
from dropbench.programs.count_head import poisson_loss
from dropbench.programs.counts import cells, fitted, log_probability, negative_binomial, zeros_off

MEANS = torch.tensor([0.3, 2.0, 9.0])
MODELS = ["mask", "logistic", "negative binomial", "negative binomial and mask"]


def test_negative_binomial_and_poisson_are_torchs() -> None:
    n, shape = torch.arange(6.0)[:, None], torch.tensor([0.5, 1.0, 3.0])
    theirs = NegativeBinomial(shape, probs=MEANS / (MEANS + shape)).log_prob(n)
    torch.testing.assert_close(negative_binomial(n, MEANS.log(), shape.log()), theirs)
    torch.testing.assert_close(-poisson_loss(n, MEANS.log()), Poisson(MEANS).log_prob(n))


@pytest.mark.parametrize("model", MODELS)
def test_chances_of_all_counts_add_up_to_one(model: str) -> None:
    told = log_probability(model, [MEANS.log(), torch.tensor([-0.5, 0.3, 0.7])], torch.arange(400.0)[:, None])
    torch.testing.assert_close(told.exp().sum(0), torch.ones(3), atol=1e-4, rtol=0)


def test_a_mask_misses_all_genes_alike_and_the_other_the_little_expressed() -> None:
    shared, zero = torch.tensor([-0.5, 1.0, 0.0]), torch.zeros(1, 1)
    missed = {
        m: (log_probability(m, [MEANS.log(), shared], zero).exp() - (-MEANS).exp()) / (1 - (-MEANS).exp())
        for m in MODELS
    }
    torch.testing.assert_close(missed["mask"], torch.sigmoid(shared[0]).expand(1, 3))
    assert (missed["logistic"].diff() < -0.05).all()


def test_masked_poisson_counts_are_known_for_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "GENES", 30)
    draw = Generator().manual_seed(0)
    mean = torch.linspace(1, 12, 30)
    drawn = torch.poisson(mean.expand(400, 30), generator=draw) * (torch.rand(400, 30, generator=draw) >= 0.4)
    log_mean, shared = fitted("mask", drawn)
    torch.testing.assert_close(log_mean.exp(), mean, atol=0.6, rtol=0.1)
    assert abs(torch.sigmoid(shared[0]).item() - 0.4) < 0.03
    assert zeros_off("mask", drawn, drawn) < 0.03


def test_cells_have_more_zeros_than_poisson_where_little_is_expressed() -> None:
    (first, second), mean = cells(0)
    assert first.shape == second.shape == (200, 200)
    beyond = (torch.cat([first, second]) == 0).double().mean(0) - (-mean).exp()
    order = mean.argsort()
    assert beyond[order[50:100]].mean() > beyond[order[-50:]].mean() + 0.1


def test_the_head_learns_the_shape_and_a_tight_shape_is_poisson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_head, "STEPS", 300)
    made, log_mean = count_head.cells(1)
    assert made.shape == log_mean.shape == (600, 60)
    _, shape = count_head.fitted(1, made, head=True)
    assert 0.3 < shape.exp().median().item() < 0.9  # the counts' own is .5, and it begins at 1
    assert count_head.likelihood(1) > 0
