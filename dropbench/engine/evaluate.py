"""Evaluates the stack on whole splits, with the noise off and batch norm using its running statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from dropbench.engine import stack
from dropbench.engine.objective import compared
from dropbench.engine.replicas import Metric, Replicas

Listen = Callable[[Tensor, Tensor], None]


@torch.no_grad()
def evaluate(replicas: Replicas, part: str, listen: Listen | None = None) -> dict[str, Tensor]:
    """Returns each metric over `train`, `val` or `test`, [K] by name.

    A metric gets a whole part at once. For running text, whose logits would not fit in memory, it gets one window at a time,
    and the mean over all words is returned. `listen` is called with output and target of each chunk. Leaves the model and
    the noise in training mode.

    Raises
    ------
    ValueError
        For a metric that does not return one number for each replica.
    """
    metrics = {name: partial(_of_each, name, metric) for name, metric in replicas.metrics.items()}
    with evaluating(replicas), replicas.autocast():
        if replicas.outline.task == "predict_next":
            of_windows = [
                (pair[1].shape[1], {name: metric(*pair).cpu().double() for name, metric in metrics.items()})
                for pair in outputs(replicas, part, listen)
            ]
            words = sum(n for n, _ in of_windows)
            first, *rest = ({name: n * value for name, value in w.items()} for n, w in of_windows)
            means = {name: sum((w[name] for w in rest), first[name]) / words for name in metrics}
            # Perplexity is the usual measure of a language model, and is not itself a mean over words.
            return means | ({"perplexity": means["loss"].exp()} if "loss" in means else {})
        logits, targets = (torch.cat(side, 1) for side in zip(*outputs(replicas, part, listen), strict=True))
        return {name: metric(logits, targets) for name, metric in metrics.items()}


def _of_each(name: str, metric: Metric, output: Tensor, target: Tensor) -> Tensor:
    values = metric(output, target)
    if getattr(values, "shape", None) != output.shape[:1]:
        gives = f"the shape {list(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise ValueError(
            f"metric={name} returns {gives}, but must return one number for each of the {len(output)} runs of a stack: its "
            "logits are [runs, examples, classes] and its targets [runs, examples]; .mean(1) is the mean over examples"
        )
    return values


def outputs(replicas: Replicas, part: str, listen: Listen | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields output and target of each chunk of a part."""
    stack.begin(replicas.model)
    for batch in replicas.batches.part(part, replicas.chunk):
        pair = compared(replicas.outline.task, replicas.answer(batch.x), batch, replicas.train)
        if listen is not None:
            listen(*pair)
        yield pair


@contextmanager
def evaluating(replicas: Replicas) -> Iterator[None]:
    """Puts model and noise into evaluation mode, and back into training mode afterwards."""
    replicas.model.eval()
    replicas.noise.training = False
    try:
        yield
    finally:
        replicas.model.train()
        replicas.noise.training = True
