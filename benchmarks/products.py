"""Claim: on AMD with AVX-512, NumPy's OpenBLAS beats MKL at small float32 products, and oneDNN beats it at large ones.

The products [M, I] × [I, O] of one replica are those of training: of the forward pass, of the weight's gradient and, with a
transposed matrix, of the input's gradient. They run on one thread, and the time to hand tensors to each library is included.
See nn/product.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Row, alternate_calls, row
from dropbench.hardware.blas import use_threads

SHAPES = (
    (64, 128, 10),
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
    """Measure GFLOP/s of each product by each library, in n blocks of `seconds` each."""
    use_threads(1)
    onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    calls: dict[str, Callable[[], Tensor]] = {}
    operations = {}
    turned = [(*shape, True) for shape in SHAPES if math.prod(shape) >= 2**21]
    for m, i, o, transposed in [(*shape, False) for shape in SHAPES] + turned:
        a, b = torch.randn(m, i), torch.randn(o, i).t() if transposed else torch.randn(i, o)
        size = f"{m} × {i} × {o}{' transposed' if transposed else ''}"
        calls[f"{size} by MKL"] = partial(torch.mm, a, b)
        if onednn is not None:
            calls[f"{size} by oneDNN"] = partial(onednn, a, b.t(), None, "none", [], "")
        calls[f"{size} by NumPy"] = partial(_by_numpy, a, b)
        operations |= {f"{size} by {library}": 2 * m * i * o for library in ("MKL", "oneDNN", "NumPy")}
    blocks = alternate_calls(calls, n, seconds)
    return [
        row("products", name, "speed", [operations[name] / t / 1e9 for t in times], "GFLOP/s")
        for name, times in blocks.items()
    ]


def _by_numpy(a: Tensor, b: Tensor) -> Tensor:
    out = torch.empty(a.shape[0], b.shape[1])
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out
