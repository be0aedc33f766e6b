"""Recomputes batch norm's running statistics for weights that training has never used, such as averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from dropbench.engine import stack
from dropbench.engine.noise import StackNoise
from dropbench.engine.replicas import Replicas
from dropbench.engine.user_module import Ordinary

_MOMENTUM = 0.1
"""The momentum of a batch norm without an attribute `momentum`, such as dropbench's own; it is torch's default too."""


def others(own: Mapping[str, Tensor], stand_ins: Mapping[str, Tensor]) -> Tensor:
    """Returns for each replica whether any of its stand-in tensors differs from its own: bool [K]."""
    differs = torch.stack([(own[name] != t).flatten(1).any(1) for name, t in stand_ins.items()])
    return differs.any(0)


@torch.no_grad()
def renew(replicas: Replicas, model: nn.Module, stream: str, chosen: Tensor) -> dict[str, Tensor]:
    """Replaces the statistics of the chosen replicas, bool [K], by those of the training examples at the current weights.

    They are means over chunks of the training examples, in the order of evaluation and without augmentation, with the noise
    on as in training. The masks come from a stream named after `stream`, each time from its beginning, so that no other draw
    depends on them. A last chunk of a single example is left out, because it has no variance.

    model: the replicas' model without learned rates. Returns the statistics as they were before, [K, ...] by name in the model.
    """
    if not bool(chosen.any()):
        return {}
    noise = replicas.noise.forked(f"{stream}/statistics", replicas.noise_chunk)
    buffers, before = dict(model.named_buffers()), {}
    for name, mean in of_training(replicas, model, noise).items():
        before[name] = held = buffers[name].clone()
        buffers[name].copy_(torch.where(chosen.view(-1, *(1,) * (held.ndim - 1)), mean, held))
    return before


@torch.no_grad()
def of_training(replicas: Replicas, model: nn.Module, noise: StackNoise) -> dict[str, Tensor]:
    """Returns each running statistic of the training examples under this noise: [K, ...] by its name in the model.

    They are means over chunks, as in `renew`. The model must be in training mode; its own statistics do not change.
    """
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    found = list(_statistics(model))
    if not found:
        return {}
    sums = {name: torch.zeros_like(before[name]) for name, _ in found}
    counted = 0
    stack.begin(replicas.model)
    for batch in replicas.batches.part("train", replicas.chunk):
        n = batch.y.shape[1]
        if counted and n == 1:
            break
        for name, buffer in model.named_buffers():
            # An int64 buffer is a count of batches, from which batch norm without a momentum computes its factor.
            if name in sums or buffer.dtype == torch.int64:
                buffer.zero_()
        with replicas.autocast():
            replicas.model(batch.x, noise)
        buffers = dict(model.named_buffers())
        for name, momentum in found:
            # Batch norm replaces s by (1 - momentum) s + momentum b, where b is the batch's statistic; s was set to 0.
            sums[name] += buffers[name] / momentum * n
        counted += n
    for name, buffer in model.named_buffers():
        buffer.copy_(before[name])
    return {name: total / counted for name, total in sums.items()}


def _statistics(model: nn.Module) -> Iterator[tuple[str, float]]:
    """Yields the name in the model of each running statistic, and its momentum."""
    known = model.lent if isinstance(model, Ordinary) else model
    names = model.names if isinstance(model, Ordinary) else {}
    for path, layer in known.named_modules():
        for name, buffer in layer.named_buffers(recurse=False):
            if name in ("running_mean", "running_var") and buffer is not None:
                whole = f"{path}.{name}" if path else name
                momentum = getattr(layer, "momentum", _MOMENTUM)
                yield names.get(whole, whole), 1.0 if momentum is None else momentum
