"""Whole splits through the stack, with the noise off and batch norm on its running statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dropbench.engine.batches import Batches
from dropbench.engine.noise import StackNoise

Metric = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def evaluate(
    model: nn.Module, noise: StackNoise, batches: Batches, part: str, metrics: Mapping[str, Metric], chunk: int
) -> dict[str, Tensor]:
    """Each metric over one part of the data, [K]. `chunk` must not depend on K: a product's rounding depends on its size.

    Leaves the model and the noise in training mode.
    """
    model.eval()
    noise.training = False
    outputs = [(model(batch.x, noise).float(), batch.y) for batch in batches.part(part, chunk)]
    model.train()
    noise.training = True
    logits, targets = (torch.cat(side, 1) for side in zip(*outputs, strict=True))
    return {name: metric(logits, targets) for name, metric in metrics.items()}
