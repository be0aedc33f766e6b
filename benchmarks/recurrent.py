"""Claim: dropbench's recurrent layers with noise cost less than torch's recurrent layers without noise.

Forward and backward pass of one layer, 128 units over the 28 rows of 28 numbers of an image, batches of 128, one thread. For a
stack of K replicas, the time is per replica. nn.GRU and nn.LSTM have no noise inside; the eager loop has the same masks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks import claims
from benchmarks.measure import Row, alternate_calls, ratio_row, row
from benchmarks.peers.nets import MaskedCell
from benchmarks.specs import spec
from dropbench.engine.noise import StackNoise
from dropbench.hardware.blas import use_threads
from dropbench.models.recurrent import RecurrentLayers
from dropbench.nn.recurrent import Cell
from dropbench.planning.variants import arm_rates, variant

STEPS, INPUTS, HIDDEN, BATCH = 28, 28, 128, 128
RATE = 0.3


def measure(n: int, seconds: float) -> list[Row]:
    """Measure milliseconds per replica, and ratios, in n blocks of `seconds` for each layer."""
    use_threads(1)
    calls: dict[str, Callable[[], None]] = {}
    for cell, layer in (("gru", nn.GRU), ("lstm", nn.LSTM)):
        calls[f"nn.{cell.upper()}"] = _fused(layer(INPUTS, HIDDEN, batch_first=True))
        calls[f"eager {cell.upper()} loop"] = _eager(MaskedCell(cell, INPUTS, HIDDEN, RATE))
        for kind, name in (("masks", "recurrent"), ("weight-drop", "weight_drop"), ("no noise", "none")):
            for k in (1, 4):
                calls[f"{cell.upper()} {kind} K={k}"] = _stack(cast(Cell, cell), name, k)
    blocks = alternate_calls(calls, n, seconds)
    replicas = {name: int(name.partition("K=")[2] or 1) for name in calls}
    each = {name: [t / replicas[name] for t in times] for name, times in blocks.items()}
    rows = [
        row("recurrent", name, "forward and backward", [1e3 * t for t in times], "ms") for name, times in each.items()
    ]
    pairs = [(name, f"nn.{name[:4].strip()}") for name in calls if "K=" in name]
    wanted = dict.fromkeys([*pairs, *claims.ratios_of("recurrent")])
    return rows + [ratio_row("recurrent", *pair, each) for pair in wanted]


def _pass(module: nn.Module, forward: Callable[[], Tensor], slope: Tensor) -> None:
    for parameter in module.parameters():
        parameter.grad = None
    forward().backward(slope)


def _fused(layer: nn.Module) -> Callable[[], None]:
    x, slope = torch.randn(BATCH, STEPS, INPUTS), torch.randn(BATCH, STEPS, HIDDEN)
    return partial(_pass, layer, lambda: layer(x)[0], slope)


def _eager(layer: nn.Module) -> Callable[[], None]:
    x, slope = torch.randn(BATCH, STEPS, INPUTS), torch.randn(BATCH, STEPS, HIDDEN)
    return partial(_pass, layer, lambda: layer(x), slope)


def _stack(cell: Cell, name: str, k: int) -> Callable[[], None]:
    """Return forward and backward pass of a stack of K of dropbench's layers with a variant's noise, as its models use it."""
    layers = RecurrentLayers(k, INPUTS, HIDDEN, cell, 1, STEPS)
    for parameter in layers.parameters():
        nn.init.uniform_(parameter, -(HIDDEN**-0.5), HIDDEN**-0.5)
    dropout = spec([f"dropout={name}", *([] if name == "none" else [f"dropout.rate={RATE}"]), "model=rnn"]).dropout
    rates = arm_rates(dropout, tuple(layers.sites))
    noise = StackNoise(variant(dropout), layers.sites, [rates] * k, range(k), BATCH, torch.device("cpu"))
    x, slope = torch.randn(k, BATCH, STEPS, INPUTS), torch.randn(k, BATCH, STEPS, HIDDEN)
    return partial(_pass, layers, lambda: layers(x, noise, [None])[0], slope)
