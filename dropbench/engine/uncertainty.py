"""Evaluation with the noise left on: the combined prediction of many thinned networks, and how much they disagree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from dropbench.engine import uncertainty_of_numbers
from dropbench.engine.evaluate import evaluating, outputs
from dropbench.engine.replicas import Replicas
from dropbench.nn.activation import one_by_one

_exp, _log, _entr = one_by_one(torch.exp), one_by_one(torch.log), one_by_one(torch.special.entr)


@torch.no_grad()
def uncertainty(replicas: Replicas, part: str) -> dict[str, Tensor]:
    """Returns the metrics that `eval.mode` adds to the deterministic ones on one part of the data, [K] each.

    The following holds for classes; for predicted numbers see `uncertainty_of_numbers`.

    deterministic: adds nothing.

    mc (Gal & Ghahramani 2016, arXiv:1506.02142): T = `passes` forward passes, in which every example has its own mask.
    `mc_<metric>` is the metric of the mean p̄ of the T predictive distributions; `mc_<metric>_sd` is the standard deviation
    of the metric over the single passes. `mc_entropy` is H[p̄] in nats and `mc_mutual_information` is H[p̄] - mean H[p_t], the
    part of it that comes from the passes' disagreement (Houlsby et al. 2011, arXiv:1112.5745); both are means over examples.

    ensemble: T thinned networks, each with one mask for all examples (Hinton et al. 2012; Baldi & Sadowski 2013).
    `arithmetic_<metric>` is the metric of the mean of their distributions, `geometric_<metric>` that of their normalised
    geometric mean, which the deterministic evaluation of `standard` approximates.

    Only the noise is on; batch norm uses its running statistics. The masks come from separate streams, so that they neither
    depend on training nor change it.
    """
    spec = replicas.specs[0].eval
    if spec.passes is None:
        return {}
    with replicas.autocast():
        return _of_passes(replicas, part, spec.mode, spec.passes)


def _of_passes(replicas: Replicas, part: str, mode: str, passes: int) -> dict[str, Tensor]:
    if replicas.outline.task == "regress":
        return uncertainty_of_numbers.of_passes(replicas, _passes(replicas, part, mode, passes), mode)
    probability = log_probability = entropy = torch.zeros(())
    single: dict[str, list[Tensor]] = {name: [] for name in replicas.metrics}
    targets = torch.empty(0)
    for logits, targets in _passes(replicas, part, mode, passes):
        log_p = torch.log_softmax(logits.double(), -1)
        p = _exp(log_p)
        probability, log_probability, entropy = probability + p, log_probability + log_p, entropy + _entropy(p)
        for name, metric in replicas.metrics.items():
            single[name].append(metric(logits, targets))
    mean = probability / passes
    arithmetic = {name: metric(_log(mean), targets) for name, metric in replicas.metrics.items()}
    if mode == "ensemble":
        # The mean of the log-probabilities, normalised by log-softmax, is the log of the normalised geometric mean.
        geometric = {name: metric(log_probability / passes, targets) for name, metric in replicas.metrics.items()}
        return {f"arithmetic_{name}": value for name, value in arithmetic.items()} | {
            f"geometric_{name}": value for name, value in geometric.items()
        }
    total = _entropy(mean)
    return {
        **{f"mc_{name}": value for name, value in arithmetic.items()},
        **{f"mc_{name}_sd": _deviation(values) for name, values in single.items()},
        "mc_entropy": total,
        "mc_mutual_information": total - entropy / passes,
    }


def _passes(replicas: Replicas, part: str, mode: str, passes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields, for each pass, output and target of the whole part under the noise of that pass."""
    noise = replicas.noise.forked(f"{mode}/{part}", replicas.noise_chunk, shared=mode == "ensemble")
    noisy = replace(replicas, noise=noise)
    for _ in range(passes):
        yield _one_pass(noisy, part)
        noise.advance()


def _one_pass(noisy: Replicas, part: str) -> tuple[Tensor, Tensor]:
    """Returns outputs [K, n, C] and targets [K, n] of the whole part."""
    with evaluating(noisy):
        noisy.noise.training = True
        logits, targets = zip(*outputs(noisy, part), strict=True)
    return torch.cat(logits, 1), torch.cat(targets, 1)


def _entropy(p: Tensor) -> Tensor:
    """Returns the entropy of p [K, n, C] in nats, mean over examples, [K]."""
    return torch.stack([one.sum(-1).mean() for one in _entr(p).unbind(0)])


def _deviation(values: list[Tensor]) -> Tensor:
    """Returns the standard deviation over passes, [K], of values [K] per pass."""
    return torch.stack([row.std() for row in torch.stack(values, 1).double().unbind(0)])
