"""What the allocator is told, in processes of their own, because it cannot be taken back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# One block at a time, because what becomes of several depends on the holes between them, which differ from process to process,
# and of more than 32 MiB, above which glibc by itself never keeps one. No torch, whose own small blocks could end up behind it.
COUNT = """
import resource
from dropbench.hardware.allocator import keep_freed_memory
if {keep}:
    keep_freed_memory()
def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(3)
print(faults(20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's")
def test_pages_are_not_mapped_again() -> None:
    kept, mapped_anew = (
        int(subprocess.run([sys.executable, "-c", COUNT.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (True, False)
    )
    assert mapped_anew >= 20  # at least one a block, however large the system's pages
    assert kept < mapped_anew / 10
