"""Gradient clipping and max-norm, replica by replica."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from training import Trained, cohort_of, make_spec

from dropbench.engine import gradients
from dropbench.hardware.blas import use_threads


def stacked(k: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.zeros(k, *shape, requires_grad=True) for shape in ((4, 5), (1, 7), (2, 3, 3, 3))]
    scale = torch.tensor([0.01, 1.0, 10.0])[:k]  # one within the limit, two beyond
    for p in parameters:
        p.grad = torch.randn(p.shape, generator=generator) * scale.view(-1, *(1,) * (p.ndim - 1))
    return parameters


def test_clipping_is_torchs_replica_by_replica() -> None:
    parameters = stacked()
    alone = [[torch.zeros_like(p[0]) for p in parameters] for _ in range(3)]
    for k, one in enumerate(alone):
        for own, p in zip(one, parameters, strict=True):
            assert p.grad is not None
            own.grad = p.grad[k].clone()
    norms = gradients.gradient_norm(parameters)
    gradients.clip(parameters, norms, 1.5)
    for k, one in enumerate(alone):
        expected = torch.nn.utils.clip_grad_norm_(one, 1.5)
        torch.testing.assert_close(norms[k], expected)
        for own, p in zip(one, parameters, strict=True):
            assert p.grad is not None and own.grad is not None
            torch.testing.assert_close(p.grad[k], own.grad)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_norm_does_not_know_its_stack(threads: int) -> None:
    """To the last bit, of a gradient so long that several threads would share it out."""
    use_threads(threads)
    try:
        generator = torch.Generator().manual_seed(0)
        parameters = [torch.zeros(5, n, requires_grad=True) for n in (1, 17, 100_003)]
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=generator)
        together = gradients.gradient_norm(parameters)
        for k in range(5):
            alone = [p[k : k + 1].detach().clone().requires_grad_() for p in parameters]
            for own, p in zip(alone, parameters, strict=True):
                assert p.grad is not None
                own.grad = p.grad[k : k + 1].clone()
            assert torch.equal(gradients.gradient_norm(alone), together[k : k + 1])
    finally:
        use_threads(1)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("outputs", [1, 2, 10, 17, 256])
def test_lengths_are_torchs_to_the_last_bit_and_do_not_know_their_stack(k: int, outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    for inputs in (1, 2, 7, 64, 784):
        weight = torch.randn(k, inputs, outputs, generator=generator) * torch.rand(1, inputs, 1, generator=generator)
        found = gradients.lengths(weight, (1,))
        assert torch.equal(found, torch.linalg.vector_norm(weight, dim=1, keepdim=True))
        for one in range(k):
            assert torch.equal(gradients.lengths(weight[one : one + 1].clone(), (1,)), found[one : one + 1])


def test_lengths_of_rows_and_of_filters_are_norms_as_well() -> None:
    weight = torch.randn(2, 5, 4, 3, 3)
    torch.testing.assert_close(gradients.lengths(weight, (2, 3, 4))[1, 3].squeeze(), weight[1, 3].norm())
    turned = torch.randn(2, 5, 4).mT  # without gaps along the other axis
    torch.testing.assert_close(gradients.lengths(turned, (1,))[1, 0, 2], turned[1, :, 2].norm())


def test_lengths_that_overflow_are_no_warning() -> None:
    assert gradients.lengths(torch.full((1, 3, 4), 1e30), (1,)).isinf().all()


def test_a_gradient_within_the_limit_is_left_alone() -> None:
    parameters = stacked()
    before = [p.grad.clone() for p in parameters if p.grad is not None]
    gradients.clip(parameters, gradients.gradient_norm(parameters), 1.5)
    for p, grad in zip(parameters, before, strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad[0], grad[0]) and not torch.equal(p.grad[1], grad[1])


def test_a_norm_does_not_depend_on_the_stack() -> None:
    parameters = stacked()
    norms = gradients.gradient_norm(parameters)
    for k in range(3):
        one = [p.detach()[k : k + 1].clone() for p in parameters]
        for own, p in zip(one, parameters, strict=True):
            assert p.grad is not None
            own.grad = p.grad[k : k + 1].clone()
        assert torch.equal(gradients.gradient_norm(one)[0], norms[k])


def test_the_norm_reported_is_that_before_clipping_of_the_same_steps() -> None:
    """Clipping so high that it never acts changes nothing at all, the column included."""
    free, clipped = make_spec(batch_size=20), make_spec(batch_size=20, grad_clip=1e6)
    one, other = Trained(free)[free].history, Trained(clipped)[clipped].history
    assert [row["grad_norm"] for row in one] == [row["grad_norm"] for row in other]
    assert one[0]["train_loss"] == other[0]["train_loss"]


def test_a_step_is_bounded_by_the_clip() -> None:
    cohort = cohort_of(make_spec(optimizer="sgd", momentum=0.0, lr=1.0, grad_clip=0.01))
    before = [p.detach().clone() for p in cohort.parameters]
    _, norm = cohort.train_step(next(iter(cohort.replicas.batches.epoch())), 1.0)
    moved = torch.sqrt(sum(((p - b) ** 2).sum() for p, b in zip(cohort.parameters, before, strict=True)))
    assert norm is not None and float(norm) > 0.01
    assert float(moved.detach()) == pytest.approx(0.01, rel=1e-3)


def limited(weights: Tensor, incoming: tuple[int, ...], limit: float) -> Tensor:
    """One replica's weights, unit by unit."""
    out = weights.double().clone()
    units = [i for i in range(weights.ndim) if i not in incoming]
    flat = out.permute(*units, *incoming).reshape(*(weights.shape[i] for i in units), -1)
    norms = flat.pow(2).sum(-1).sqrt()
    shape = [weights.shape[i] if i in units else 1 for i in range(weights.ndim)]
    return out * torch.where(norms > limit, limit / norms, torch.ones_like(norms)).reshape(shape)


# Axes of one replica's weights that come into a unit.
INCOMING = {
    "mlp": {"hidden.0.linear.weight": (0,), "hidden.1.linear.weight": (0,), "head.weight": (0,)},
    "cnn": {
        "blocks.0.conv.weight": (1, 2, 3),
        "blocks.1.conv.weight": (1, 2, 3),
        "dense.0.linear.weight": (0,),
        "head.weight": (0,),
    },
    "rnn": {"layers.0.weight_input": (0,), "layers.0.weight_hidden": (0,), "head.weight": (0,)},
    "user_models.Small": {"parameter_2": (1,), "parameter_6": (1,)},  # torch's (outputs, inputs)
}


@pytest.mark.parametrize("model", INCOMING)
def test_max_norm_is_of_each_units_incoming_weights(model: str) -> None:
    cohort = cohort_of(*(make_spec(model, seed=s) for s in range(1 if "." in model else 2)))
    named = {name: p.detach() for name, p in cohort.replicas.model.named_parameters()}
    before = {name: p.clone() for name, p in named.items()}
    limit = 0.5
    gradients.max_norm(cohort.replicas.model, limit)
    for name, value in named.items():
        axes = INCOMING[model].get(name)
        if axes is None:
            assert torch.equal(value, before[name]), f"{name} has no incoming weights"
            continue
        for k, weights in enumerate(before[name]):
            torch.testing.assert_close(value[k].double(), limited(weights, axes, limit), rtol=1e-5, atol=1e-6)
    assert any(not torch.equal(value, before[name]) for name, value in named.items())


def test_max_norm_holds_after_every_step() -> None:
    cohort = cohort_of(make_spec(max_norm=0.5, lr=0.1))
    for batch in cohort.replicas.batches.epoch():
        cohort.train_step(batch, 1.0)
        for block in cohort.replicas.model.hidden:
            assert float(block.linear.weight.detach().norm(dim=1).max()) <= 0.5 * (1 + 1e-5)


def test_max_norm_leaves_short_weights_alone_to_the_last_bit() -> None:
    cohort = cohort_of(make_spec())
    before = [p.detach().clone() for p in cohort.parameters]
    gradients.max_norm(cohort.replicas.model, 1e3)
    assert all(torch.equal(p, b) for p, b in zip(cohort.parameters, before, strict=True))
