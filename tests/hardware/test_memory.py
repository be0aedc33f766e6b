"""Peak memory: what a cohort is said to have needed."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training import CPU, Trained, make_spec

from dropbench.hardware import memory


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can start the count anew")
def test_a_block_shows_while_it_is_held_and_not_in_the_next_cohort() -> None:
    before = memory.Peak(CPU)
    base = before.mb()
    with mmap.mmap(-1, 200_000_000) as block:  # not of the allocator, which may have as much in hand already
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1  # touched, so resident
    during, after = before.mb(), memory.Peak(CPU).mb()
    assert base is not None and during is not None and after is not None
    assert during - base == pytest.approx(200, abs=20)
    assert after < during - 150


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_without_proc_it_is_the_most_since_the_process_began(monkeypatch: Any, tmp_path: Path) -> None:
    here = memory.Peak(CPU).mb()
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "nowhere")
    there = memory.Peak(CPU).mb()
    assert here is not None and there is not None
    assert there >= 0.9 * here  # KiB or bytes: a wrong unit would be a factor of a thousand
    assert there < 200 * here


def test_on_a_gpu_it_is_torchs_own_count_begun_anew(monkeypatch: Any) -> None:
    begun = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", begun.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2_500_000)
    gpu = torch.device("cuda:1")
    assert memory.Peak(gpu).mb() == 2.5
    assert begun == [gpu, gpu]  # when it is made, and for the next epoch


def test_of_a_device_that_does_not_tell_it_is_not_known() -> None:
    assert memory.Peak(torch.device("meta")).mb() is None


def test_a_run_has_its_cohorts() -> None:
    runs = [make_spec("mlp", seed=seed, epochs=1) for seed in (0, 1)]
    trained = Trained(*runs)
    one, other = (trained[run].peak_memory_mb for run in runs)
    assert one is not None and other is not None and one >= 50
    assert abs(one - other) < 5
    each = [row["peak_memory_mb"] for row in trained[runs[0]].history]
    assert max(each) == one
