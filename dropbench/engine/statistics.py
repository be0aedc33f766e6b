"""Batch norm's running statistics of a stack, anew, for weights that no update has had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from dropbench.engine import stack
from dropbench.engine.noise import StackNoise
from dropbench.engine.replicas import Replicas
from dropbench.engine.user_module import Ordinary

_MOMENTUM = 0.1
"""Of a batch norm that does not say another, as torch's and ours do not."""


def others(own: Mapping[str, Tensor], stand_ins: Mapping[str, Tensor]) -> Tensor:
    """Of each replica whether any of the tensors that stand in differs from its own: bool [K]."""
    differs = torch.stack([(own[name] != t).flatten(1).any(1) for name, t in stand_ins.items()])
    return differs.any(0)


@torch.no_grad()
def renew(replicas: Replicas, model: nn.Module, stream: str, chosen: Tensor) -> dict[str, Tensor]:
    """Gives the chosen replicas, bool [K], the statistics of the training examples under their weights as they are now.

    They are means over chunks of the training examples, in evaluation's order and without augmentation, with the noise on as
    it was when the layers learned. The masks come from a stream of that name, from its beginning each time, so that nothing
    else that is drawn depends on this. A last chunk of a single example, which has no variance, is left out.

    model: that of the replicas, without learned rates. Returns what the statistics were, [K, ...] by name in the model.
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
    """Each running statistic as the training examples give it under this noise: [K, ...] by its name in the model.

    Means over chunks, as in `renew`. The model must be in training mode, and what it holds stays as it is.
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
            if (
                name in sums or buffer.dtype == torch.int64
            ):  # a count of batches, by which a mean over all of them is taken
                buffer.zero_()
        with replicas.autocast():
            replicas.model(batch.x, noise)
        buffers = dict(model.named_buffers())
        for name, momentum in found:
            # A statistic s becomes (1 - momentum) s + momentum b for that of the batch, b; and s was 0.
            sums[name] += buffers[name] / momentum * n
        counted += n
    for name, buffer in model.named_buffers():
        buffer.copy_(before[name])
    return {name: total / counted for name, total in sums.items()}


def _statistics(model: nn.Module) -> Iterator[tuple[str, float]]:
    """The name in the model of each running statistic, and its momentum."""
    known = model.lent if isinstance(model, Ordinary) else model
    names = model.names if isinstance(model, Ordinary) else {}
    for path, layer in known.named_modules():
        for name, buffer in layer.named_buffers(recurse=False):
            if name in ("running_mean", "running_var") and buffer is not None:
                whole = f"{path}.{name}" if path else name
                momentum = getattr(layer, "momentum", _MOMENTUM)
                yield names.get(whole, whole), 1.0 if momentum is None else momentum
