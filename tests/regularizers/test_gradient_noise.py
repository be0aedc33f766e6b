from __future__ import annotations

import torch
from step_kit import Sampled

from dropbench.regularizers.gradient_noise import GradientNoise

K = 3
ETA = [0.0, 0.01, 1.0]


def test_it_adds_normal_numbers_whose_variance_falls_as_the_paper_says() -> None:
    gamma, updates = 0.55, 7
    gradients = [torch.randn(K, 4, 2), torch.randn(K, 1, 2)]
    parameters = [torch.zeros_like(g).requires_grad_() for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone()
    draws = Sampled(K)
    GradientNoise(gamma=gamma).gradient(parameters, torch.tensor(ETA), draws, updates)
    assert [d.shape for d in draws.drawn] == [g.shape for g in gradients]
    for p, g, drawn in zip(parameters, gradients, draws.drawn, strict=True):
        assert p.grad is not None
        for k, eta in enumerate(ETA):
            sd = (eta / (1 + updates) ** gamma) ** 0.5
            torch.testing.assert_close(p.grad[k] - g[k], sd * drawn[k], atol=1e-6, rtol=1e-5)


def test_the_first_update_has_the_variance_of_its_key() -> None:
    parameter = torch.zeros(K, 200, 100).requires_grad_()
    parameter.grad = torch.zeros(K, 200, 100)
    GradientNoise().gradient([parameter], torch.tensor(ETA), Sampled(K), 0)
    torch.testing.assert_close(parameter.grad.var((1, 2)), torch.tensor(ETA), rtol=0.05, atol=0)


def test_a_parameter_without_a_gradient_gets_none() -> None:
    parameter = torch.zeros(K, 2).requires_grad_()
    GradientNoise().gradient([parameter], torch.tensor(ETA), Sampled(K), 0)
    assert parameter.grad is None
