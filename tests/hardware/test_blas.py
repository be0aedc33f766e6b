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
def test_openblas_is_the_default_unless_it_was_told_otherwise() -> None:
    program = "import numpy; from dropbench.hardware import blas; print(blas.default() == 'openblas')"
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]  # type: ignore[call-overload]
    assert printed(program) == str("openblas" in built_with)
    assert printed(program, OPENBLAS_CORETYPE="Haswell") == "False"


@pytest.mark.parametrize(
    ("amd", "kernels", "default"),
    [(True, "SkylakeX", True), (True, "Haswell", False), (True, None, False), (False, "SkylakeX", False)],
)
def test_the_default_is_by_the_processor_and_the_kernels(
    amd: bool, kernels: str | None, default: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "amd_with_avx512", lambda: amd)
    monkeypatch.setattr(blas, "openblas_kernels", lambda: kernels)
    assert (blas.default() == blas.OPENBLAS) == default
    assert blas.default() in blas.available()
    assert (blas.OPENBLAS in blas.available()) == (kernels is not None)


def test_kernels_that_cost_are_told_where_others_would_be_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(amd: bool, kernels: str | None, variable: str | None) -> str | None:
        monkeypatch.setattr(blas, "amd_with_avx512", lambda: amd)
        monkeypatch.setattr(blas, "openblas_kernels", lambda: kernels)
        monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
        if variable:
            monkeypatch.setenv("OPENBLAS_CORETYPE", variable)
        return blas.slowed_openblas()

    assert told(True, "Haswell", "Haswell") == "Haswell"
    assert told(True, "SkylakeX", "SkylakeX") is None
    assert told(True, "Haswell", None) is None  # an old OpenBLAS chose them itself: there is nothing to unset
    assert told(True, None, "Haswell") is None
    assert told(False, "Haswell", "Haswell") is None  # MKL is the faster one there whatever OpenBLAS does


def test_a_process_takes_its_products_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_chosen", None)
    monkeypatch.setattr(blas, "available", lambda: [blas.MKL, blas.OPENBLAS])
    monkeypatch.setattr(blas, "default", lambda: blas.MKL)
    assert (blas.chosen(), blas.products("cpu"), blas.products("cuda:1")) == ("mkl", "mkl", "cuda")
    assert blas.choose("openblas") == blas.chosen() == blas.products("cpu") == "openblas"
    assert blas.choose("onednn") == blas.chosen() == "mkl"  # which is not here
    assert blas.choose("auto") == "mkl"


def test_threads_of_all_libraries() -> None:
    import torch

    try:
        for n in (2, 1):
            blas.use_threads(n)
            assert torch.get_num_threads() == n
            assert all(i["num_threads"] == n for i in threadpool_info() if i["user_api"] == "blas")
    finally:
        blas.use_threads(1)
