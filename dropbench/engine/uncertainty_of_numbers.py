"""Evaluation of predicted numbers with the noise on: the combined prediction of many passes, and how much they disagree."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from dropbench.engine.replicas import Replicas
from dropbench.nn.activation import one_by_one

NLL = "gaussian_nll"
_exp, _log = one_by_one(torch.exp), one_by_one(torch.log)


def of_passes(replicas: Replicas, passes: Iterable[tuple[Tensor, Tensor]], mode: str) -> dict[str, Tensor]:
    """Returns metrics of T passes, [K] each, given outputs [K, n, 1 or 2] in the target's unit and targets [K, n].

    mc (Gal & Ghahramani 2016, arXiv:1506.02142, eq. 5 to 8): `mc_<metric>` is the metric of the mean of the passes;
    `mc_gaussian_nll` is that of the mixture of their T normal densities, whose variance is `train.noise` squared (1/tau in
    that paper) or predicted by the network. `mc_<metric>_sd` is the standard deviation of the metric over the single passes.
    `mc_deviation` is the standard deviation of the predictive distribution and `mc_deviation_of_passes` the part of it that
    comes from the passes' disagreement; both are means over examples.

    ensemble: the same for T thinned networks, but only `arithmetic_<metric>`.
    """
    outputs, targets = [], torch.empty(0)
    single: dict[str, list[Tensor]] = {name: [] for name in replicas.metrics}
    for output, targets in passes:
        outputs.append(output.double())
        for name, metric in replicas.metrics.items():
            single[name].append(metric(output, targets))
    said = torch.stack(outputs)
    mean, between = said[..., 0].mean(0), said[..., 0].var(0, correction=0)
    within = said[..., 1].square().mean(0) if said.shape[-1] == 2 else torch.zeros_like(mean)
    deviation = (between + within).sqrt()
    together = torch.stack([mean, deviation], -1)
    prefix = "mc" if mode == "mc" else "arithmetic"
    found = {
        f"{prefix}_{name}": _mixture_nll(said, targets) if name == NLL else metric(together, targets)
        for name, metric in replicas.metrics.items()
    }
    if mode == "ensemble":
        return found
    return {
        **found,
        **{f"mc_{name}_sd": torch.stack([r.std() for r in torch.stack(v, 1).double()]) for name, v in single.items()},
        "mc_deviation": _mean(deviation),
        "mc_deviation_of_passes": _mean(between.sqrt()),
    }


def _mixture_nll(said: Tensor, targets: Tensor) -> Tensor:
    """Returns minus the log of the mean of T normal densities, mean over examples, [K]."""
    mean, deviation = said.unbind(-1)
    z = (targets.double() - mean) / deviation
    logs = -z.square() / 2 - torch.stack([_log(d) for d in deviation]) - math.log(2 * math.pi) / 2
    highest = logs.amax(0)
    total = torch.stack([_exp(one - highest) for one in logs]).sum(0)
    return _mean(-(highest + _log(total) - math.log(len(said))))


def _mean(x: Tensor) -> Tensor:
    return torch.stack([row.mean() for row in x.unbind(0)])
