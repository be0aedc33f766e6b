"""The fused dense layer against the same steps taken one by one by autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dropbench.nn.dense import dense_relu

MASKS = {"none": None, "element": (3, 8, 6), "example": (3, 8, 1), "unit": (3, 1, 6)}


def leaves(k: int = 3, b: int = 8, i: int = 5, o: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((k, b, i), (k, i, o), (k, 1, o))
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def mask_of(shape: tuple[int, ...] | None) -> Tensor | None:
    if shape is None:
        return None
    generator = torch.Generator().manual_seed(2)
    return 2 * torch.randint(0, 2, shape, generator=generator).double()


@pytest.mark.parametrize("shape", MASKS.values(), ids=MASKS)
def test_it_is_the_steps_one_by_one(shape: tuple[int, ...] | None) -> None:
    x, weight, bias = leaves()
    mask = mask_of(shape)
    expected = torch.relu(torch.baddbmm(bias, x, weight)) * (1 if mask is None else mask)
    out = dense_relu(x, weight, bias, mask)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    g = torch.randn(out.shape, dtype=torch.float64)
    for mine, own in zip(
        torch.autograd.grad((out * g).sum(), (x, weight, bias)),
        torch.autograd.grad((expected * g).sum(), (x, weight, bias)),
        strict=True,
    ):
        torch.testing.assert_close(mine, own, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", MASKS.values(), ids=MASKS)
def test_its_gradient_is_that_of_differences(shape: tuple[int, ...] | None) -> None:
    assert torch.autograd.gradcheck(lambda *given: dense_relu(*given, mask_of(shape)), leaves())


@pytest.mark.parametrize("shape", [s for s in MASKS.values() if s is not None], ids=str)
def test_masks_of_either_sign(shape: tuple[int, ...]) -> None:
    """Of normals, as Gaussian dropout's; and one that is not negative, to the last bit as if that were known."""
    mask = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    given = leaves()
    assert torch.autograd.gradcheck(lambda *given: dense_relu(*given, mask, True), given)
    x, weight, bias = given
    expected = torch.relu(torch.baddbmm(bias, x, weight)) * mask
    torch.testing.assert_close(dense_relu(x, weight, bias, mask, True), expected, rtol=1e-12, atol=1e-12)
    told, untold = (dense_relu(x, weight, bias, mask.abs(), signed) for signed in (False, True))
    slopes = [torch.autograd.grad(out.square().sum(), given) for out in (told, untold)]
    assert torch.equal(told, untold) and all(torch.equal(a, b) for a, b in zip(*slopes, strict=True))


def test_what_needs_no_gradient_gets_none() -> None:
    x, weight, bias = leaves()
    (of_weight,) = torch.autograd.grad(dense_relu(x.detach(), weight, bias.detach(), None).sum(), (weight,))
    assert of_weight.shape == weight.shape
    with torch.no_grad():
        assert not dense_relu(x, weight, bias, None).requires_grad


def test_what_is_not_a_number_stays_so() -> None:
    x, weight, bias = leaves(1)
    with torch.no_grad():
        x[0, 0, 0] = float("nan")
    assert dense_relu(x, weight, bias, None)[0, 0].isnan().all()


@given(k=st.integers(2, 5), b=st.integers(1, 40), i=st.integers(1, 40), o=st.integers(1, 40))
def test_a_replica_does_not_know_its_stack(k: int, b: int, i: int, o: int) -> None:
    x, weight, bias = (t.detach().float().requires_grad_() for t in leaves(k, b, i, o))
    mask = torch.randint(0, 2, (k, b, o)).float()
    out = dense_relu(x, weight, bias, mask)
    together = torch.autograd.grad(out.square().sum(), (x, weight, bias))
    for one in range(k):
        own = [t[one : one + 1].detach().clone().requires_grad_() for t in (x, weight, bias)]
        alone = dense_relu(own[0], own[1], own[2], mask[one : one + 1].clone())
        assert torch.equal(out[one], alone[0])
        for stacked, single in zip(together, torch.autograd.grad(alone.square().sum(), own), strict=True):
            assert torch.equal(stacked[one], single[0])
