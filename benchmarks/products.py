"""Claim: oneDNN multiplies float32 matrices faster than MKL on an AMD processor with AVX-512, once they are large enough.

Products of one replica [M, I] × [I, O] as they come in training: forward, and for the gradients of weight and input. One
thread. dropbench takes the one or the other by size (nn/product.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import Row, alternate_calls, row

SHAPES = (
    (64, 64, 128),
    (64, 128, 128),
    (64, 256, 256),
    (64, 128, 512),
    (128, 784, 256),
    (784, 128, 256),
    (64, 1024, 1024),
    (1024, 1024, 1024),
)


def measure(n: int, seconds: float) -> list[Row]:
    torch.set_num_threads(1)
    onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    calls: dict[str, Callable[[], Tensor]] = {}
    operations = {}
    for m, i, o in SHAPES:
        a, b = torch.randn(m, i), torch.randn(i, o)
        size = f"{m} × {i} × {o}"
        calls[f"{size} by MKL"] = partial(torch.mm, a, b)
        if onednn is not None:
            calls[f"{size} by oneDNN"] = partial(onednn, a, b.t(), None, "none", [], "")
        operations |= {name: 2 * m * i * o for name in calls if name.startswith(size)}
    blocks = alternate_calls(calls, n, seconds)
    return [
        row("products", name, "speed", [operations[name] / t / 1e9 for t in times], "GFLOP/s")
        for name, times in blocks.items()
    ]
