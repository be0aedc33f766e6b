"""The share of the processor's peak arithmetic that a training step uses: its operations per second over a large product's.

One thread. Operations are counted by formula: in the forward pass two for each weight and each position where it is used, and
the same number for the gradient of the weights and for the gradient of the input, which the first layer does not need. The peak
is the rate of a product of two matrices of 2,048 × 2,048 by the faster library (see the part `products`), in the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.measure import Row, alternate_calls, row
from benchmarks.specs import cohort, spec, table
from benchmarks.workloads import WORKLOADS, Net, Workload
from dropbench.hardware.blas import use_threads
from dropbench.nn.product import product

SIDE = 2048
STACKS = {
    "digits-20": (1, 10, 25),
    "mnist-256": (1, 4),
    "mnist-1024": (1,),
    "cnn": (1,),
    "cnn-digits": (1, 4),
    "gru": (1, 4),
    "lstm": (1, 4),
}
"""The sizes of stacks (numbers of replicas), by workload."""


def operations(net: Net, shape: tuple[int, int, int], classes: int) -> int:
    """Return the number of operations of a training step for one example [C, H, W] of `shape`."""
    first, others = _products(net, shape, classes)
    return 2 * (2 * first + 3 * others)


def _products(net: Net, shape: tuple[int, int, int], classes: int) -> tuple[int, int]:
    """Return the number of multiplications for one example in the first layer, and in all other layers."""
    channels, height, width = shape
    if net.kind in ("gru", "lstm"):
        gates = {"gru": 3, "lstm": 4}[net.kind] * net.hidden
        return height * channels * width * gates, height * net.hidden * gates + net.hidden * classes
    counts = []
    for outputs in net.channels:
        counts.append(height * width * 9 * channels * outputs)
        channels, height, width = outputs, height // 2, width // 2
    features = channels * height * width
    for outputs in (*net.widths, classes):
        counts.append(features * outputs)
        features = outputs
    return counts[0], sum(counts[1:])


def measure(n: int, seconds: float, workloads: list[str]) -> list[Row]:
    """Measure GFLOP/s of steps and products, and the steps' share of the peak, in n blocks of `seconds` each."""
    use_threads(1)
    calls: dict[str, Callable[[], object]] = {}
    counted: dict[str, int] = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = torch.randn(SIDE, SIDE).to(kind), torch.randn(SIDE, SIDE).to(kind)
        calls[f"{name} product"] = partial(product, a[None], b[None])
        counted[f"{name} product"] = 2 * SIDE**3
    for workload in workloads:
        for k in STACKS[workload]:
            for bf16 in (False, True) if workload in ("mnist-256", "mnist-1024", "cnn") else (False,):
                label = f"{workload} K={k}{' bf16' if bf16 else ''}"
                calls[label], counted[label] = _step(WORKLOADS[workload], k, bf16)
    blocks = alternate_calls(calls, n, seconds)
    speeds = {name: [counted[name] / t / 1e9 for t in times] for name, times in blocks.items()}
    rows = [row("roofline", name, "speed", values, "GFLOP/s") for name, values in speeds.items()]
    for name, values in speeds.items():
        if not name.endswith("product"):
            peaks = speeds["bf16 product" if name.endswith("bf16") else "fp32 product"]
            shares = [100 * v / p for v, p in zip(values, peaks, strict=True)]
            rows.append(row("roofline", name, "share of the peak", shares, "%"))
    return rows


def _step(work: Workload, k: int, bf16: bool) -> tuple[Callable[[], object], int]:
    """Return a function that takes a training step of K replicas, and the number of operations of that step."""
    told = [*work.overrides(), f"dropout.rate={work.rates[-1]}", f"train.precision={'bf16' if bf16 else 'fp32'}"]
    data = table(f"data={work.data}")
    one = spec(told)
    training = cohort([one.model_copy(update={"seed": seed}) for seed in range(k)], data)
    batch = next(training.replicas.batches.epoch())
    channels, height, width = data.shape
    count = operations(work.net, (channels, height, width), data.n_classes) * k * work.batch_size
    return partial(training.train_step, batch, 1.0), count
