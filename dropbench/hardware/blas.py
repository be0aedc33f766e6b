"""The libraries that multiply matrices on a CPU: MKL and oneDNN, which torch brings, and OpenBLAS, which NumPy brings.

A process computes all its products by one choice of libraries (PRODUCTS), because another choice changes the last bits. The
choice is a plain value that is passed to each process that trains; execute/products.py makes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

MKL, TORCH, OPENBLAS, ONEDNN = "mkl", "torch", "openblas", "onednn"
PRODUCTS = (MKL, TORCH, OPENBLAS, ONEDNN)
"""Ways to take products: all by torch, which has MKL or, on other processors, something else; by NumPy's OpenBLAS, but large
ones by a transposed matrix by oneDNN; by torch, but large ones by oneDNN. nn/product.py carries them out."""
_AVX512 = "SkylakeX"
"""OpenBLAS's name for its kernels of AVX-512."""
_chosen: str | None = None


def settle() -> None:
    """Makes MKL's results depend on shapes alone, in this process and its children; before its first product.

    It otherwise chooses a kernel by where in memory a matrix begins, so that the same product inside a stack and alone may
    differ in its last bit. MKL_CBWR=AUTO costs nothing measurable (docs/engine.md), is ignored where torch is built without
    MKL, and is left alone where it has been set already.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO")


def default() -> str:
    """The products that are taken where nothing else is said: by the processor's name.

    On AMD's processors with AVX-512 MKL keeps to AVX2, and OpenBLAS does not: small products are twice as fast, those of a few
    columns five times. It has to have chosen its kernels for AVX-512, as it does by itself; OPENBLAS_CORETYPE may name others.
    """
    return OPENBLAS if amd_with_avx512() and openblas_kernels() == _AVX512 else _of_torch()


def available() -> list[str]:
    """The products that can be taken in this process, torch's own first."""
    import torch

    onednn = [ONEDNN] if hasattr(torch.ops.mkldnn, "_linear_pointwise") else []
    return [_of_torch(), *([OPENBLAS] if openblas_kernels() else []), *onednn]


def choose(products: str) -> str:
    """Has this process take its products so from now on, and returns how it does: by `default()` where it cannot."""
    global _chosen
    _chosen = products if products in available() else default()
    return _chosen


def chosen() -> str:
    """How this process takes its float32 products on a CPU: see PRODUCTS."""
    global _chosen
    if _chosen is None:
        _chosen = default()
    return _chosen


def products(device: str) -> str:
    """The library that multiplies matrices on a device, as records tell it."""
    kind = device.partition(":")[0]
    return chosen() if kind == "cpu" else kind


def slowed_openblas() -> str | None:
    """What OPENBLAS_CORETYPE has OpenBLAS use in place of kernels that would be worth it here; None where it costs nothing."""
    told = os.environ.get("OPENBLAS_CORETYPE")
    kernels = openblas_kernels() if told and amd_with_avx512() else None
    return None if kernels in (None, _AVX512) else kernels


@cache
def openblas_kernels() -> str | None:
    """The kernels that the OpenBLAS of NumPy's wheel has chosen, such as `SkylakeX`; None where NumPy has another library."""
    import numpy as np
    from threadpoolctl import threadpool_info

    own = Path(np.__file__).resolve().parent.parent / "numpy.libs"  # SciPy has an OpenBLAS of its own
    found = (i for i in threadpool_info() if Path(i["filepath"]).parent == own and i["internal_api"] == "openblas")
    return next((str(library.get("architecture")) for library in found), None)


@cache
def _of_torch() -> str:
    import torch

    return MKL if torch.backends.mkl.is_available() else TORCH


def use_threads(n: int) -> None:
    """Lets torch and the other libraries of this process use `n` threads."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(n)
    threadpool_limits(n, user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Has torch and the other libraries use one thread meanwhile: a process that started others can be copied no more."""
    import torch

    threads = torch.get_num_threads()
    use_threads(1)
    try:
        yield
    finally:
        use_threads(threads)


@cache
def amd_with_avx512() -> bool:
    """Whether the processor is one of AMD's with AVX-512, as far as Linux tells."""
    try:
        with open("/proc/cpuinfo") as file:
            first = file.read(8192).split("\n\n")[0]  # all processors of a machine are alike, and there may be hundreds
    except OSError:  # not Linux
        return False
    return "AuthenticAMD" in first and "avx512f" in first.split()
