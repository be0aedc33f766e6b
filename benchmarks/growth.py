"""How time and memory of a sweep grow with its runs, with the width of the network, and with the data; whole processes.

Memory is the peak proportional set size of the process tree (shared pages count once), sampled five times a second while the
sweep is timed.
"""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Row, alternate, row
from benchmarks.runners import environment, sweep

Say = Callable[[str], None]
RUNS = (1, 2, 5, 10, 25, 50, 100, 200, 400)
WIDTHS = (32, 64, 128, 256, 512, 1024)
EXAMPLES = (100, 300, 1000, 3000, 10_000, 30_000)


def cases(with_data: bool, quick: bool) -> dict[str, list[str]]:
    """Return the overrides of each sweep, by the name of the case; with `quick`, only two cases of each kind."""
    ten = "dropout.rate=" + ",".join(str(i / 10) for i in range(10))
    epochs = f"train.epochs={1 if quick else 3}"
    few = slice(0, 2) if quick else slice(None)
    sweeps = {}
    for n in RUNS[few]:
        # Ten rates if ten divides the runs, so that the arms of a seed share their random numbers as in a real sweep.
        rates = min(n, 10) if n % 10 == 0 else min(n, 5)
        grid = [f"dropout.rate={','.join(str(i / 10) for i in range(rates))}", f"seed=range(0,{n // rates})"]
        sweeps[f"runs = {n}"] = ["data=digits", epochs, *grid]
    for width in WIDTHS[few]:
        sweeps[f"width = {width}, 10 runs"] = ["data=digits", epochs, ten, f"model.widths=[{width},{width}]"]
    for n in EXAMPLES[few] if with_data else ():
        grid = ["dropout.rate=0.2,0.5", "seed=0,1", "model.widths=[256,256]"]
        sweeps[f"n_train = {n}, 4 runs"] = ["data=mnist", f"data.n_train={n}", epochs, *grid]
    return sweeps


def measure(n: int, say: Say, with_data: bool, quick: bool) -> list[Row]:
    """Measure seconds and peak MiB of every case in n blocks; cases with MNIST only if `with_data`."""
    if importlib.util.find_spec("psutil") is None:
        say("  memory is left out: psutil is not installed (pip install -e '.[bench]')")
    chosen = cases(with_data, quick)
    blocks = alternate({name: partial(_sweep, overrides) for name, overrides in chosen.items()}, n, say)
    rows = []
    for name, samples in blocks.items():
        rows.append(row("growth", "dropbench", f"{name}: whole process", [s for s, _ in samples], "s"))
        if all(memory for _, memory in samples):
            rows.append(row("growth", "dropbench", f"{name}: memory", [m / 2**20 for _, m in samples], "MiB"))
    return rows


def _sweep(overrides: list[str]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        return watched(sweep(overrides, Path(folder)))


def watched(command: list[str]) -> tuple[float, int]:
    """Run a command; return its seconds, and the peak memory of its process tree in bytes, 0 without psutil."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:
        try:
            process.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, _memory(process.pid))
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with exit code {process.returncode}")
    return seconds, peak


def _memory(pid: int) -> int:
    """Return the memory in bytes of a process and all its descendants."""
    try:
        import psutil
    except ImportError:
        return 0
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss if psutil.LINUX else process.memory_info().rss
    except psutil.Error:  # one of these processes has just ended
        return total
    return total
