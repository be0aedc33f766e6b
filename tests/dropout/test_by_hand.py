"""One dropout forward and backward in NumPy, from the raw generator on."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from noise_kit import site, stack_noise, through
from numpy.typing import NDArray

RATE, SEED, BATCH = 0.3, 7, 5


def kept_by_hand(name: str, shape: tuple[int, ...], step: int, rate: float = RATE) -> NDArray[np.bool_]:
    """SFC64 of (seed, CRC-32 of the stream's name), 16 bits an element, whole words a step."""
    sequence = np.random.SeedSequence(SEED, spawn_key=(zlib.crc32(f"mask/{name}".encode()),))
    n = int(np.prod(shape))
    words = -(-n // 4)
    bits = np.random.SFC64(sequence).random_raw(words * (step + 1))[words * step :].view(np.int16)[:n]
    return bits.reshape(shape).astype(np.int64) < round((1 - rate) * 65536) - 32768


SCALE = np.float32(65536 / round((1 - RATE) * 65536))


@pytest.mark.parametrize(
    ("variant", "where", "shape"),
    [
        ("standard", "f", (BATCH, 48)),
        ("standard", "steps", (BATCH, 7, 24)),
        ("locked", "steps", (BATCH, 1, 24)),
        ("locked", "state", (BATCH, 1, 24)),
        ("recurrent", "state", (BATCH, 1, 24)),
        ("recurrent.naive", "state", (BATCH, 7, 24)),
        ("spatial", "steps", (BATCH, 1, 24)),
        ("spatial", "maps", (BATCH, 16, 1, 1)),
    ],
)
def test_forward_and_backward_are_exact(variant: str, where: str, shape: tuple[int, ...]) -> None:
    at = site(where)
    noise = stack_noise(variant, at, [RATE], [SEED], BATCH)
    rng = np.random.default_rng(0)
    for step in range(3):
        x, g = rng.standard_normal((2, BATCH, *at.shape), dtype=np.float32)
        factor = kept_by_hand(where, shape, step).astype(np.float32) * SCALE
        given = torch.from_numpy(x)[None].requires_grad_()
        y = through(noise, at, [given])
        y.backward(torch.from_numpy(g)[None])
        assert given.grad is not None
        np.testing.assert_array_equal(y[0].detach().numpy(), x * factor)
        np.testing.assert_array_equal(given.grad[0].numpy(), g * factor)


def test_maps_are_drawn_channels_last() -> None:
    at = site("maps")
    c, h, w = at.shape
    noise = stack_noise("standard", at, [RATE], [SEED], BATCH)
    kept = kept_by_hand("maps", (BATCH, h, w, c), 0).transpose(0, 3, 1, 2)
    y = through(noise, at, [torch.ones(1, BATCH, c, h, w)])
    np.testing.assert_array_equal(y[0].numpy(), kept.astype(np.float32) * SCALE)


def test_dropconnect() -> None:
    """y = x (W m / keep) + b m_b / keep, and the gradients of all three."""
    at = site("weight")
    i, o = at.shape
    noise = stack_noise("dropconnect", at, [RATE], [SEED], BATCH)
    factor = kept_by_hand("weight", (i + 1, o), 0).astype(np.float64) * np.float64(SCALE)
    rng = np.random.default_rng(0)
    x, w, b, g = (rng.standard_normal(s) for s in ((BATCH, i), (i, o), (1, o), (BATCH, o)))
    tensors = [torch.from_numpy(a)[None].requires_grad_() for a in (x, w, b)]
    y = through(noise, at, tensors, lambda z: z)
    y.backward(torch.from_numpy(g)[None])
    dropped = w * factor[:-1]
    by_hand = {"x": g @ dropped.T, "w": (x.T @ g) * factor[:-1], "b": g.sum(0, keepdims=True) * factor[-1:]}
    np.testing.assert_allclose(y[0].detach().numpy(), x @ dropped + b * factor[-1:], rtol=1e-6, atol=1e-6)
    for got, expected in zip(tensors, by_hand.values(), strict=True):
        assert got.grad is not None
        np.testing.assert_allclose(got.grad[0].numpy(), expected, rtol=1e-6, atol=1e-6)
    assert not tensors[1].grad[0][torch.from_numpy(factor[:-1] == 0)].any()
