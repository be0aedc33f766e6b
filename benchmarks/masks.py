"""Claim: a mask costs a tenth of nn.Dropout, and a twentieth if ten arms of a seed share its random numbers.

One thread, 128 × 1024 activations, rate 0.5. Shared random numbers are measured with ten arms of one seed at rates 0 to 0.9, as
time per arm. `mask` draws a mask; `mask and multiply` also applies it, like the forward pass of nn.Dropout.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import claims
from benchmarks.measure import Row, alternate_calls, ratio_row, row
from benchmarks.specs import spec
from benchmarks.workloads import TENTHS
from dropbench.engine.noise import StackNoise
from dropbench.engine.site_noise import SiteNoise
from dropbench.hardware.blas import use_threads
from dropbench.planning.variants import variant
from dropbench.sites import Site

BATCH, UNITS, ARMS = 128, 1024, len(TENTHS)
CPU = torch.device("cpu")


def measure(n: int, seconds: float) -> list[Row]:
    """Measure nanoseconds per element, and ratios to nn.Dropout, in n blocks of `seconds` for each call."""
    use_threads(1)
    standard = variant(spec(["dropout=standard"]).dropout)
    site = Site("hidden.0", "activation", (UNITS,), "F")
    one, ten = [0.5], list(TENTHS)
    alone, shared = (SiteNoise(standard, site, rates, [0] * len(rates), BATCH, CPU) for rates in (one, ten))
    acting = [
        StackNoise(standard, [site], [{site.name: r} for r in rates], [0] * len(rates), BATCH, CPU)
        for rates in (one, ten)
    ]
    x, stack = torch.randn(BATCH, UNITS), torch.randn(ARMS, BATCH, UNITS)
    dropout = nn.Dropout(0.5)
    calls = {
        "nn.Dropout": lambda: dropout(x),
        "mask": lambda: alone.mask(BATCH, torch.float32),
        "mask and multiply": lambda: acting[0](site.name, x[None]),
        "shared by 10: mask": lambda: shared.mask(BATCH, torch.float32),
        "shared by 10: mask and multiply": lambda: acting[1](site.name, stack),
    }
    with torch.no_grad():
        blocks = alternate_calls(calls, n, seconds)
    arms = {name: ARMS if name.startswith("shared") else 1 for name in calls}
    each = {name: [t / arms[name] for t in times] for name, times in blocks.items()}
    rows = [
        row("masks", name, "time an element", [1e9 * t / (BATCH * UNITS) for t in times], "ns")
        for name, times in each.items()
    ]
    pairs = [(name, "nn.Dropout") for name in calls if name != "nn.Dropout"]
    return rows + [ratio_row("masks", *pair, each) for pair in dict.fromkeys([*pairs, *claims.ratios_of("masks")])]
