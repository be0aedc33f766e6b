"""Regularizers that read what a network predicts, against their papers written out example by example."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from step_kit import ByHand, Sampled
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from dropbench.data.batch import Batch
from dropbench.nn.cross_entropy import cross_entropy
from dropbench.regularizers.activation_l2 import ActivationL2
from dropbench.regularizers.base import Regularizer, Step
from dropbench.regularizers.confidence_penalty import ConfidencePenalty
from dropbench.regularizers.fgsm_training import FGSMTraining
from dropbench.regularizers.flooding import Flooding
from dropbench.regularizers.pgd_training import PGDTraining
from dropbench.regularizers.r_drop import RDrop
from dropbench.regularizers.temporal_activation_l2 import TemporalActivationL2

K, B, F_IN, C = 3, 7, 5, 4
NUMBERS = torch.Generator().manual_seed(2)
X, Y = torch.randn(K, B, F_IN, generator=NUMBERS), torch.randint(C, (K, B), generator=NUMBERS)
W = torch.randn(K, F_IN, C, generator=NUMBERS)
STRENGTHS = torch.tensor([0.0, 0.3, 1.5])


def model(x: Tensor) -> Tensor:
    return torch.tanh(x) @ W


def under(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: model(x * mask)


def batch() -> Batch:
    return Batch(X.clone().requires_grad_(), Y)


def loss_of(part: Regularizer, step: Step, draws: Sampled | None = None) -> Tensor:
    return part.loss(step, step.losses(step.output, step.batch), STRENGTHS, draws or Sampled(K))


def test_confidence_penalty_takes_the_entropy_from_the_loss() -> None:
    step = ByHand(batch(), model)
    entropy = Categorical(logits=model(X)).entropy().mean(1)
    torch.testing.assert_close(
        loss_of(ConfidencePenalty(), step), step.losses(step.output, step.batch) - STRENGTHS * entropy
    )


def test_confidence_penalty_is_label_smoothing_with_the_divergence_turned_round() -> None:
    """Pereyra et al. 2017, section 3.2: KL(p ‖ u) in place of KL(u ‖ p), each up to a constant."""
    logits, share = model(X), 0.3
    p, u = Categorical(logits=logits), Categorical(logits=torch.zeros(K, B, C))
    own, log_c = cross_entropy(logits, Y).mean(1), torch.tensor(C).log()
    smoothed = cross_entropy(logits, Y, share).mean(1)
    torch.testing.assert_close(smoothed, (1 - share) * own + share * (kl_divergence(u, p).mean(1) + log_c))
    penalised = loss_of(ConfidencePenalty(), ByHand(batch(), model))
    torch.testing.assert_close(penalised, own + STRENGTHS * (kl_divergence(p, u).mean(1) - log_c))


def test_flooding_turns_the_gradient_round_below_its_level() -> None:
    levels = torch.tensor([0.0, 1.0, 1.0])
    losses = torch.tensor([-0.5, 0.25, 1.75], requires_grad=True)
    flooded = Flooding().loss(ByHand(batch(), model), losses, levels, Sampled(K))
    flooded.sum().backward()
    assert flooded.tolist() == [-0.5, 1.75, 1.75]
    assert losses.grad is not None and losses.grad.tolist() == [1, -1, 1]


def test_r_drop_is_half_of_its_paper() -> None:
    masks = torch.rand(2, K, B, F_IN, generator=NUMBERS).round() * 2
    step = ByHand(batch(), under(masks[0]), others=(under(masks[1]),))
    found = loss_of(RDrop(), step)
    for k, alpha in enumerate(STRENGTHS.tolist()):
        total = 0.0
        for b in range(B):
            p, q = (F.softmax(under(m)(X)[k, b], 0) for m in masks)
            nll = -(p[Y[k, b]].log() + q[Y[k, b]].log())  # equation 1
            kl = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2  # equation 2
            total += float(nll + alpha * kl) / 2  # equation 3
        single = F.cross_entropy(under(masks[0])(X)[k], Y[k])
        assert found[k].item() == pytest.approx(float(single) if alpha == 0 else total / B, rel=1e-5)


def attacked(k: int, x: Tensor, eps: float) -> Tensor:
    x = x.clone().requires_grad_()
    F.cross_entropy(torch.tanh(x) @ W[k], Y[k]).backward()
    assert x.grad is not None
    return (x + eps * x.grad.sign()).detach()


def test_fgsm_training_is_goodfellows_objective() -> None:
    found = loss_of(FGSMTraining(alpha=0.7), ByHand(batch(), model))
    for k, eps in enumerate(STRENGTHS.tolist()):
        own, other = (F.cross_entropy(torch.tanh(x) @ W[k], Y[k]) for x in (X[k], attacked(k, X[k], eps)))
        assert found[k].item() == pytest.approx(float(0.7 * own + 0.3 * other), rel=1e-5)


def test_pgd_training_is_the_loss_after_projected_steps() -> None:
    draws = Sampled(K)
    found = loss_of(PGDTraining(steps=5, step_size=0.3), ByHand(batch(), model), draws)
    (start,) = draws.drawn
    losses = []
    for k, eps in enumerate(STRENGTHS.tolist()):
        x = X[k] + eps * (2 * start[k] - 1)
        for _ in range(5):
            x = attacked(k, x, 0.3 * eps).clamp(X[k] - eps, X[k] + eps)
        losses.append(F.cross_entropy(torch.tanh(x) @ W[k], Y[k]).item())
        assert found[k].item() == pytest.approx(losses[-1], rel=1e-4)
    assert losses[1] > F.cross_entropy(model(X)[1], Y[1])


@pytest.mark.parametrize("part", [FGSMTraining(), PGDTraining(steps=2)])
def test_adversarial_training_reaches_the_weights_through_the_loss_alone(part: Regularizer) -> None:
    """The attack itself is not differentiated, as in both papers."""
    weights = W.clone().requires_grad_()
    step = ByHand(batch(), lambda x: torch.tanh(x) @ weights)
    loss_of(part, step).sum().backward()
    assert weights.grad is not None and bool(weights.grad.abs().sum((1, 2)).gt(0).all())


def test_activation_penalties_are_those_of_awd_lstm() -> None:
    h = torch.randn(K, B, 6, 8, generator=NUMBERS)
    step = ByHand(batch(), model, seen={None: h, "hidden.0": 2 * h})
    own = step.losses(step.output, step.batch)
    torch.testing.assert_close(
        loss_of(ActivationL2(), step), own + STRENGTHS * torch.stack([one.pow(2).mean() for one in h])
    )
    steps_first = [(2 * one).transpose(0, 1) for one in h]  # as there
    tar = torch.stack([(one[1:] - one[:-1]).pow(2).mean() for one in steps_first])
    torch.testing.assert_close(loss_of(TemporalActivationL2(site="hidden.0"), step), own + STRENGTHS * tar)
