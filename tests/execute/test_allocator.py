"""What the allocator is told, in a process of its own, because it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from dropbench.execute.allocator import keep_freed_memory
if {keep}:
    keep_freed_memory()
def step():
    [torch.empty(4 * 2**20).fill_(1) for _ in range(6)]  # 16 MiB each, allocated and freed
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_pages_are_not_mapped_again() -> None:
    faults = [
        int(subprocess.run([sys.executable, "-c", COUNT.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (True, False)
    ]
    if faults[1] < 1000:
        pytest.skip("this allocator keeps memory by itself")
    assert faults[0] < faults[1] / 10
