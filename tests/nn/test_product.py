from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dropbench.hardware import blas
from dropbench.nn import product as module
from dropbench.nn.product import add_product, affine, differentiable_product, product

SIDE = st.integers(1, 40)
LIBRARIES = ["mkl", "onednn", "numpy", "both"]
LINEAR = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def choose(library: str, patch: pytest.MonkeyPatch) -> None:
    """Each way on any machine whose torch has it."""
    if library in ("onednn", "both") and LINEAR is None:
        pytest.skip("this torch has no oneDNN")
    patch.setattr(blas, "chosen", lambda: blas.OPENBLAS if library in ("numpy", "both") else blas.MKL)
    patch.setattr(module, "_linear", lambda: LINEAR if library in ("onednn", "both") else None)
    patch.setattr(module, "_SMALLEST", 0)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    choose(request.param, monkeypatch)
    return str(request.param)


@pytest.mark.parametrize(
    ("k", "m", "i", "o"), [(1, 1, 1, 1), (3, 7, 5, 2), (2, 64, 33, 17), (4, 20, 784, 256), (1, 1, 300, 9)]
)
def test_products_are_those_of_float64(library: str, k: int, m: int, i: int, o: int) -> None:
    torch.manual_seed(0)
    a, b, bias = torch.randn(k, m, i), torch.randn(k, i, o), torch.randn(k, 1, o)
    exact = a.double() @ b.double()
    close = {"rtol": 1e-5, "atol": 1e-5 * i**0.5}
    torch.testing.assert_close(product(a, b).double(), exact, **close)
    torch.testing.assert_close(affine(a, b, bias).double(), exact + bias, **close)
    turned = product(b.transpose(1, 2), a.transpose(1, 2))  # as gradients are
    torch.testing.assert_close(turned.double(), exact.transpose(1, 2), **close)
    out = bias.repeat(1, m, 1)
    add_product(out, a, b)
    torch.testing.assert_close(out.double(), exact + bias, **close)


def test_gradients_are_those_of_autograd(library: str) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 8, 5), torch.randn(3, 5, 6), torch.randn(3, 1, 6)
    g = torch.randn(3, 8, 6)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    mine = torch.autograd.grad((affine(*leaves) * g).sum(), leaves)
    expected = torch.autograd.grad((torch.baddbmm(bias, x, weight) * g).sum(), leaves)
    for a, b in zip(mine, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    only_weight = torch.autograd.grad((affine(x.detach(), weight, bias) * g).sum(), weight)
    torch.testing.assert_close(only_weight[0], expected[1], rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(k=st.integers(2, 5), m=SIDE, i=SIDE, o=SIDE, seed=st.integers(0, 10**6))
@example(k=2, m=20, i=1, o=20, seed=0)  # a table with one feature, on an Intel Xeon
def test_a_replicas_product_does_not_know_its_stack(k: int, m: int, i: int, o: int, seed: int) -> None:
    """To the last bit, by each library."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(k, m, i, generator=generator), torch.randn(k, i, o, generator=generator)
    bias = torch.randn(k, 1, o, generator=generator)
    for library in LIBRARIES:
        with pytest.MonkeyPatch.context() as patch:
            choose(library, patch)
            stacked, turned = affine(a, b, bias), product(b.mT, a.mT)
            for one in range(k):
                own = slice(one, one + 1)
                assert torch.equal(stacked[own], affine(a[own].clone(), b[own].clone(), bias[own].clone()))
                assert torch.equal(turned[own], product(b[own].clone().mT, a[own].clone().mT))


@settings(max_examples=60, deadline=None)
@given(k=st.integers(2, 5), m=SIDE, i=SIDE, o=SIDE, seed=st.integers(0, 10**6))
@example(k=3, m=1, i=16, o=8, seed=0)
@example(k=3, m=32, i=16, o=1, seed=0)
@example(k=3, m=32, i=1, o=16, seed=0)
def test_a_differentiable_product_does_not_know_its_stack_and_neither_do_its_gradients(
    k: int, m: int, i: int, o: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(shape, generator=generator).requires_grad_() for shape in ((k, m, i), (k, i, o)))
    g = torch.randn(k, m, o, generator=generator)
    out = differentiable_product(a, b)
    stacked = (out, *torch.autograd.grad((out * g).sum(), (a, b)))
    torch.testing.assert_close(out, torch.bmm(a, b))
    for one in range(k):
        own = [t[one : one + 1].detach().clone().requires_grad_() for t in (a, b)]
        alone = differentiable_product(*own)
        for mine, theirs in zip(
            (alone, *torch.autograd.grad((alone * g[one : one + 1]).sum(), own)), stacked, strict=True
        ):
            assert torch.equal(mine, theirs[one : one + 1])


def test_numpy_gets_rows_or_columns_that_lie_together(library: str) -> None:
    x, weight = torch.randn(2, 6, 8)[:, :, ::2], torch.randn(2, 4, 3)
    torch.testing.assert_close(product(x, weight), torch.bmm(x, weight))


def test_overflow_is_no_warning(library: str) -> None:
    """A replica that diverges is told of by its loss; warnings are errors here."""
    large = torch.full((1, 40, 40), 1e30)
    assert product(large, large).isinf().all()


def test_small_products_and_other_types_stay_with_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    large = torch.randn(1, 256, 256)
    for library in ("numpy", "onednn", "both"):
        with monkeypatch.context() as patch:
            choose(library, patch)
            patch.setattr(module, "_SMALLEST", 2**21)
            assert module._ours(large, large)
            assert module._ours(large[:, :8, :8], large[:, :8]) == (library != "onednn")
            assert not module._ours(large.double(), large.double())
            with torch.autocast("cpu", dtype=torch.bfloat16):
                assert not module._ours(large, large)


def test_large_products_are_onednns_where_that_is_chosen_and_on_amds_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_operator", lambda: "an operator")
    for chosen, amd, by_onednn in (
        (blas.MKL, False, False),
        (blas.TORCH, False, False),
        (blas.MKL, True, True),
        (blas.ONEDNN, False, True),
        (blas.OPENBLAS, False, True),
    ):
        monkeypatch.setattr(blas, "chosen", lambda chosen=chosen: chosen)
        monkeypatch.setattr(blas, "amd_with_avx512", lambda amd=amd: amd)
        assert (module._linear() is not None) == by_onednn, (chosen, amd)


def test_of_two_fast_libraries_the_one_for_how_a_matrix_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("both", monkeypatch)
    used: list[str] = []
    linear, matmul = module._linear(), np.matmul
    monkeypatch.setattr(module, "_linear", lambda: lambda *given: (used.append("onednn"), linear(*given))[1])
    monkeypatch.setattr(np, "matmul", lambda *given, **kept: (used.append("numpy"), matmul(*given, **kept))[1])
    a, b = torch.randn(1, 30, 20), torch.randn(1, 20, 10)
    product(a, b)
    product(a, b.mT.contiguous().mT)
    product(a.mT.contiguous().mT, b)
    monkeypatch.setattr(module, "_SMALLEST", 30 * 20 * 10 + 1)
    product(a, b.mT.contiguous().mT)
    assert used == ["numpy", "onednn", "numpy", "numpy"]
