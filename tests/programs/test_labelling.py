"""Disagreement and area by hand, and a curve whose chooser is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dropbench.programs import labelling
from dropbench.programs.labelling import area, curve, disagreement
from dropbench.programs.network import Weights


def test_passes_that_agree_tell_nothing_and_sure_ones_that_differ_one_bit() -> None:
    sure, other, unsure = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    p = torch.tensor([[sure, sure, unsure], [sure, other, unsure]])  # [passes, n, classes]
    torch.testing.assert_close(disagreement(p), torch.tensor([0.0, math.log(2), 0.0]))


def test_it_is_the_mean_divergence_from_the_mean() -> None:
    p = torch.rand(9, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    p = p / p.sum(-1, keepdim=True)
    divergence = (p * (p / p.mean(0)).log()).sum(-1).mean(0)  # of each pass from the mean, Kullback & Leibler
    torch.testing.assert_close(disagreement(p), divergence)


def test_area_is_numpys() -> None:
    scores = [0.2, 0.5, 0.4, 0.9]
    assert area(scores) == pytest.approx(np.trapezoid(scores) / 3)


def test_no_example_is_labelled_twice_and_more_labels_are_better(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    fitted = labelling.fitted

    def counted(x: Tensor, y: Tensor, rate: float, seed: int, steps: int) -> Weights:
        sizes.append((len(y), len(x.unique(dim=0))))
        return fitted(x, y, 0.0, seed, 60)

    monkeypatch.setattr(labelling, "fitted", counted)
    scores = curve(5, lambda network, x: torch.arange(len(x)).float())
    assert sizes == [(n, n) for n in range(20, 141, 20)]
    assert scores[-1] > scores[0] + 0.05
