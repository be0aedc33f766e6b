from __future__ import annotations

from typing import Any

import pytest
import torch
from noise_kit import SITES, stack_noise
from torch import Tensor
from training import assert_identical, make_spec

from dropbench.dropout.base import LEVELS

(TWO,) = (s for s in SITES if s.kind == "pair")


class Shake(torch.autograd.Function):
    """Gastaldi 2017: α b₁ + (1 - α) b₂, and on the way back β stands for α."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(beta)
        return alpha * first + (1 - alpha) * second

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (beta,) = ctx.saved_tensors
        return beta * g, (1 - beta) * g, None, None


def numbers(variant: str, seed: int, examples: int) -> tuple[Tensor, Tensor]:
    """α and β of each example at the next step, [B, 1, 1, 1] in (0, 1): the numbers of the site's stream."""
    at = stack_noise(variant, TWO, [0.5], [seed], examples).at(TWO.name)
    assert at is not None
    drawn = (at.draw(examples)[0].double() + LEVELS / 2 + 0.5) / LEVELS
    return drawn[:, 0, None].flatten(1)[:, :1, None, None], drawn[:, 1, None].flatten(1)[:, :1, None, None]


@pytest.mark.parametrize("variant", ["shake_shake", "shake_shake.batch"])
def test_forward_and_back_are_the_papers_rule(variant: str) -> None:
    """At rate 0.5, the default: for each example, or for the batch; the model takes the mean of what the site gives."""
    noise = stack_noise(variant, TWO, [0.0, 0.5], [7, 7], 9)
    branches = torch.randn(
        2, 9, *TWO.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    out = noise(TWO.name, branches).mean(2)
    g = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(out, branches, g)
    assert torch.equal(out[0], branches[0].mean(1))
    alpha, beta = numbers(variant, 7, 9)
    assert (len(alpha) == 9) == (variant == "shake_shake")
    given = branches[1].detach().requires_grad_()
    expected = Shake.apply(given[:, 0], given[:, 1], alpha, beta)
    (sent,) = torch.autograd.grad(expected, given, g[1])
    torch.testing.assert_close(out[1], expected)
    torch.testing.assert_close(gradient[1], sent)


def test_numbers_are_uniform_and_forward_and_back_have_their_own() -> None:
    alpha, beta = (n.flatten() for n in numbers("shake_shake", 3, 4000))
    middle = (torch.arange(4000) + 0.5) / 4000
    for u in (alpha, beta):
        assert (
            float((u.sort().values - middle).abs().max()) < 1.9 / 4000**0.5
        )  # Kolmogorov and Smirnov, one in a thousand
    assert abs(float(torch.corrcoef(torch.stack([alpha, beta]))[0, 1])) < 0.06


@pytest.mark.parametrize("variant", ["shake_shake", "stochastic_depth", "standard"])
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("resnet", {"two_branches": True}),
        ("mlp", {"widths": [24, 24], "skip": True, "norm": "batch", "two_branches": True}),
    ],
)
def test_runs_have_their_bits_in_any_stack(model: str, options: dict[str, object], variant: str) -> None:
    run, *others = (
        make_spec(model, options=options, variant=variant, rate=rate, seed=seed, epochs=1, batch_size=50)
        for rate, seed in ((0.5, 3), (0.2, 3), (0.5, 0), (0.0, 5))
    )
    assert_identical(run, others[:1], others)
