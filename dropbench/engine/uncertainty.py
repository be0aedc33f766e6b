"""Evaluation with the noise left on: what many thinned networks say together, and how far they disagree."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dropbench.engine.batches import Batches
from dropbench.engine.evaluate import Metric, evaluating, outputs
from dropbench.engine.noise import StackNoise
from dropbench.engine.text import TextBatches
from dropbench.nn.activation import one_by_one
from dropbench.spec import EvalSpec

_exp, _log, _entr = one_by_one(torch.exp), one_by_one(torch.log), one_by_one(torch.special.entr)


@torch.no_grad()
def uncertainty(
    spec: EvalSpec,
    model: nn.Module,
    noise: StackNoise,
    batches: Batches | TextBatches,
    part: str,
    metrics: Mapping[str, Metric],
    chunk: int,
    noise_batch: int,
) -> dict[str, Tensor]:
    """What `spec.mode` adds to the deterministic metrics of a classifier on one part of the data, [K] each.

    mc (Gal & Ghahramani 2016, arXiv:1506.02142): T = `passes` forward passes with a mask of its own for every example.
    `mc_<metric>` is of the mean p̄ of the T predictive distributions, `mc_<metric>_sd` the standard deviation of the single
    passes' values. `mc_entropy` is H[p̄] in nats and `mc_mutual_information` H[p̄] - mean H[p_t], the share of it that comes
    from the passes' disagreement (Houlsby et al. 2011, arXiv:1112.5745); means over examples.

    ensemble: T thinned networks, each one mask for all examples (Hinton et al. 2012; Baldi & Sadowski 2013).
    `arithmetic_<metric>` is of the mean of their distributions, `geometric_<metric>` of their normalised geometric mean, of
    which the deterministic evaluation of `standard` is an approximation.

    `noise_batch` is how many examples of a chunk have noise of their own: all, or one, which is the graph.

    Only the noise is on: batch norm stays on its running statistics. The masks come from streams of their own, so that
    what is drawn here neither depends on training nor changes it.
    """
    assert spec.passes is not None  # of every mode but deterministic
    own = noise.forked(f"{spec.mode}/{part}", noise_batch, shared=spec.mode == "ensemble")
    probability = log_probability = entropy = torch.zeros(())
    single: dict[str, list[Tensor]] = {name: [] for name in metrics}
    targets = torch.empty(0)
    for _ in range(spec.passes):
        logits, targets = _one_pass(model, own, batches, part, chunk)
        log_p = torch.log_softmax(logits.double(), -1)
        p = _exp(log_p)
        probability, log_probability, entropy = probability + p, log_probability + log_p, entropy + _entropy(p)
        for name, metric in metrics.items():
            single[name].append(metric(logits, targets))
        own.advance()
    mean = probability / spec.passes
    arithmetic = {name: metric(_log(mean), targets) for name, metric in metrics.items()}
    if spec.mode == "ensemble":
        # A log-softmax of the mean is the normalised geometric mean.
        geometric = {name: metric(log_probability / spec.passes, targets) for name, metric in metrics.items()}
        return {f"arithmetic_{name}": value for name, value in arithmetic.items()} | {
            f"geometric_{name}": value for name, value in geometric.items()
        }
    total = _entropy(mean)
    return {
        **{f"mc_{name}": value for name, value in arithmetic.items()},
        **{f"mc_{name}_sd": _deviation(values) for name, values in single.items()},
        "mc_entropy": total,
        "mc_mutual_information": total - entropy / spec.passes,
    }


def _one_pass(
    model: nn.Module, noise: StackNoise, batches: Batches | TextBatches, part: str, chunk: int
) -> tuple[Tensor, Tensor]:
    """Logits [K, n, C] and targets [K, n] of the whole part."""
    with evaluating(model, noise):
        noise.training = True
        logits, targets = zip(*outputs(model, noise, batches, part, chunk, "classify"), strict=True)
    return torch.cat(logits, 1), torch.cat(targets, 1)


def _entropy(p: Tensor) -> Tensor:
    """The mean over examples of the entropy of p [K, n, C], in nats, [K]."""
    return torch.stack([one.sum(-1).mean() for one in _entr(p).unbind(0)])


def _deviation(values: list[Tensor]) -> Tensor:
    """The standard deviation over passes, [K], of [K] a pass."""
    return torch.stack([row.std() for row in torch.stack(values, 1).double().unbind(0)])
