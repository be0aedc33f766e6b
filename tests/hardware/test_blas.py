"""What is asked of the libraries that multiply matrices, and what they are found to be."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from dropbench.hardware import blas


def printed(program: str, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("MKL_CBWR", "OPENBLAS_CORETYPE")}
    out = subprocess.run(
        [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=True
    )
    return out.stdout.strip()


def test_importing_dropbench_sets_how_mkl_rounds() -> None:
    program = "import os, dropbench; print(os.environ['MKL_CBWR'])"
    assert printed(program) == "AUTO"
    assert printed(program, MKL_CBWR="COMPATIBLE") == "COMPATIBLE"


def test_it_does_so_without_torch_or_numpy() -> None:
    assert printed("import sys, dropbench; print({'torch', 'numpy'} & set(sys.modules))") == "set()"


@pytest.mark.skipif(not blas.amd_with_avx512(), reason="the kernels are chosen on AMD's processors with AVX-512")
def test_numpy_is_faster_unless_openblas_was_told_otherwise() -> None:
    program = "from dropbench.hardware.blas import numpy_is_faster; print(numpy_is_faster())"
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]  # type: ignore[call-overload]
    assert printed(program) == str("openblas" in built_with)
    assert printed(program, OPENBLAS_CORETYPE="Haswell") == "False"


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "amd_with_avx512", lambda: False)
    blas.numpy_is_faster.cache_clear()
    try:
        assert not blas.numpy_is_faster()
    finally:
        blas.numpy_is_faster.cache_clear()


def test_threads_of_all_libraries() -> None:
    import torch

    try:
        for n in (2, 1):
            blas.use_threads(n)
            assert torch.get_num_threads() == n
            assert all(i["num_threads"] == n for i in threadpool_info() if i["user_api"] == "blas")
    finally:
        blas.use_threads(1)
