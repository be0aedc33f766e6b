"""What makes a replica's rounding its own: the setting that MKL reads, and where it has to be."""

from __future__ import annotations

import os
import subprocess
import sys


def test_importing_the_engine_sets_how_mkl_rounds() -> None:
    assert "MKL_CBWR" in os.environ
    program = "import os, dropbench.engine; print(os.environ['MKL_CBWR'])"
    for given, expected in ((None, "AUTO"), ("COMPATIBLE", "COMPATIBLE")):
        environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"} | ({"MKL_CBWR": given} if given else {})
        out = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == expected


def test_it_does_so_without_torch() -> None:
    program = "import sys, dropbench.engine; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
