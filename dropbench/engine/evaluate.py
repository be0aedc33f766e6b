"""Whole splits through the stack, with the noise off and batch norm on its running statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dropbench.engine import stack
from dropbench.engine.batches import Batches
from dropbench.engine.noise import StackNoise
from dropbench.engine.objective import compared
from dropbench.engine.text import TextBatches

Metric = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def evaluate(
    model: nn.Module,
    noise: StackNoise,
    batches: Batches | TextBatches,
    part: str,
    metrics: Mapping[str, Metric],
    chunk: int,
    task: str,
) -> dict[str, Tensor]:
    """Each metric over one part of the data, [K]. `chunk` must not depend on K: a product's rounding depends on its size.

    Metrics see a whole part at once; but of running text, where its logits would fill any memory, one window after the other,
    and their mean counts. Leaves the model and the noise in training mode.
    """
    with evaluating(model, noise):
        if task == "predict_next":
            of_windows = [
                {name: metric(*pair).cpu().double() for name, metric in metrics.items()}
                for pair in outputs(model, noise, batches, part, chunk, task)
            ]
            # Windows are of one size, so the mean of their means is that of all words.
            first, *rest = of_windows
            means = {name: sum((w[name] for w in rest), first[name]) / len(of_windows) for name in metrics}
            # The field's measure of a language model, which is no mean over words itself.
            return means | ({"perplexity": means["loss"].exp()} if "loss" in means else {})
        each = outputs(model, noise, batches, part, chunk, task)
        logits, targets = (torch.cat(side, 1) for side in zip(*each, strict=True))
        return {name: metric(logits, targets) for name, metric in metrics.items()}


def outputs(
    model: nn.Module, noise: StackNoise, batches: Batches | TextBatches, part: str, chunk: int, task: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Output and target of each chunk of a part."""
    stack.begin(model)
    for batch in batches.part(part, chunk):
        yield compared(task, model(batch.x, noise), batch)


@contextmanager
def evaluating(model: nn.Module, noise: StackNoise) -> Iterator[None]:
    """The model and the noise in evaluation mode, and in training mode again after."""
    model.eval()
    noise.training = False
    try:
        yield
    finally:
        model.train()
        noise.training = True
