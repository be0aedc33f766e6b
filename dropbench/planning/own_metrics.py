"""Tries a user's metric on made-up examples, so that a result of the wrong shape or type is told before anything trains."""

from __future__ import annotations

from functools import partial
from typing import Any

from dropbench.config.kinds import takes_network
from dropbench.config.parts import locate
from dropbench.identity import OWN
from dropbench.planning.measured import of_task
from dropbench.planning.outline import Outline
from dropbench.process.apart import PartDied, PartFailed, apart
from dropbench.spec import MetricSpec, RunSpec

_RUNS, _MOST = 2, 64


def misshapen(spec: RunSpec, outline: Outline) -> str | None:
    """Returns why a metric of the user's own cannot be measured, or None.

    One that raises an error is left to training: it may need other examples than made-up ones.
    """
    for name, metric in of_task(spec, outline.task).items():
        if metric.target.startswith(OWN) or outline.task not in ("classify", "regress"):
            continue
        try:
            if told := apart(metric.target, f"metric={name}", partial(_tried, name, metric, outline)):
                return told
        except PartDied as error:
            return str(error)
        except PartFailed:
            continue
    return None


def _tried(name: str, metric: MetricSpec, outline: Outline) -> str | None:
    import torch

    measure = locate(metric.target)
    if takes_network(measure):
        return None
    classes = outline.n_classes
    n = min(max(6, 2 * classes), _MOST)
    generator = torch.Generator().manual_seed(0)
    # Of predicted numbers with a variance the second is a variance, so no number here is negative.
    output = torch.randn(_RUNS, n, classes, generator=generator).abs()
    targets = torch.arange(n).expand(_RUNS, n)
    with torch.no_grad():
        values = measure(output, targets % classes if outline.task == "classify" else targets.float(), **metric.options)
    return fault(name, values, _RUNS)


def fault(name: str, values: Any, runs: int) -> str | None:
    """Returns why the result of a metric on a stack of so many runs is wrong, or None."""
    from torch import Tensor

    if isinstance(values, Tensor) and tuple(values.shape) == (runs,):
        return None
    gives = f"the shape {list(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
    return (
        f"metric={name} returns {gives}, but must return one number for each of the {runs} runs of a stack: its logits are "
        "[runs, examples, classes] and its targets [runs, examples]; .mean(1) is the mean over examples"
    )
