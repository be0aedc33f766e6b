"""The libraries that multiply matrices on a CPU: MKL, which torch brings, and OpenBLAS, which NumPy brings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_AVX512 = "SkylakeX"
"""OpenBLAS's name for its kernels of AVX-512."""


def settle() -> None:
    """Makes MKL's results depend on shapes alone, in this process and its children; before its first product.

    It otherwise chooses a kernel by where in memory a matrix begins, so that the same product inside a stack and alone may
    differ in its last bit. MKL_CBWR=AUTO costs nothing measurable (docs/engine.md), is ignored where torch is built without
    MKL, and is left alone where it has been set already.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO")


@cache
def numpy_is_faster() -> bool:
    """Whether NumPy's float32 products are faster than torch's here.

    They are on AMD's processors with AVX-512, where MKL keeps to AVX2: small products twice as fast, those of a few columns
    five times. It takes OpenBLAS with its kernels for AVX-512, which it chooses by itself unless OPENBLAS_CORETYPE has
    another.
    """
    if not amd_with_avx512():
        return False
    import numpy as np
    from threadpoolctl import threadpool_info

    own = Path(np.__file__).resolve().parent.parent / "numpy.libs"  # SciPy has an OpenBLAS of its own
    return any(
        library.get("architecture") == _AVX512
        for library in threadpool_info()
        if Path(library["filepath"]).parent == own
    )


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
