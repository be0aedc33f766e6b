"""Cross-entropy and its gradient against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dropbench.nn.cross_entropy import cross_entropy


@pytest.mark.parametrize("classes", [1, 2, 10, 15, 16, 17, 300])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_it_is_torchs(classes: int, smoothing: float) -> None:
    torch.manual_seed(classes)
    logits = (5 * torch.randn(3, 7, classes, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(classes, (3, 7))
    mine = cross_entropy(logits, targets, smoothing)
    expected = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing
    ).view(3, 7)
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)
    weights = torch.rand(3, 7, dtype=torch.float64)
    (own,) = torch.autograd.grad((mine * weights).sum(), logits)
    (torchs,) = torch.autograd.grad((expected * weights).sum(), logits)
    torch.testing.assert_close(own, torchs, rtol=1e-12, atol=1e-12)


def test_far_logits_are_no_infinities() -> None:
    logits = torch.tensor([[[1000.0, 0.0], [-1000.0, 1000.0]]]).requires_grad_()
    each = cross_entropy(logits, torch.tensor([[1, 1]]))
    assert each.tolist() == [[1000.0, 0.0]]
    each.sum().backward()
    assert logits.grad is not None and logits.grad.tolist() == [[[1.0, -1.0], [0.0, 0.0]]]


@given(k=st.integers(2, 6), n=st.integers(1, 70), classes=st.integers(1, 40), smoothing=st.sampled_from([0.0, 0.1]))
def test_a_replica_does_not_know_its_stack(k: int, n: int, classes: int, smoothing: float) -> None:
    """To the last bit, with examples and classes that fill no vector register."""
    logits = torch.randn(k, n, classes, requires_grad=True)
    targets = torch.randint(classes, (k, n))
    loss = cross_entropy(logits, targets, smoothing)
    (gradient,) = torch.autograd.grad(loss.square().sum(), logits)
    for one in range(k):
        own = logits[one : one + 1].detach().clone().requires_grad_()
        alone = cross_entropy(own, targets[one : one + 1], smoothing)
        assert torch.equal(loss[one], alone[0])
        assert torch.equal(gradient[one], torch.autograd.grad(alone.square().sum(), own)[0][0])
