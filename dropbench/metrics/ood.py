"""Out-of-distribution detection: recognising examples of other data by the network's uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from pydantic import BeforeValidator
from torch import Tensor

from dropbench.metrics.membership import auc
from dropbench.metrics.probe import Network, first
from dropbench.metrics.sharpness import Count

Names = Annotated[Sequence[str], MinLen(1), BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
"""A single name is treated as a list of one."""
Scores = dict[str, Tensor]
"""Scores by name, [n] for one replica or [K, n]; larger means less certain."""


@torch.no_grad()
def ood(network: Network, part: str, *, against: Names = ("noise",), examples: Count = 2000) -> dict[str, Tensor]:
    """Computes the probability that the network is less certain about an example of other data than about a test example.

    Parameters
    ----------
    against : sequence of str
        Names of data sets. Their test examples are brought to the shape of the run's own and normalised with the mean and
        standard deviation of its training data. "noise" stands for normal numbers with that mean and standard deviation.
    examples : int
        The largest number of examples used of each data set, since with `eval.mode=mc` each takes many passes. With 2,000 of
        each, the standard error of an area near 0.5 is 0.009, and the arms of a seed share part of it.

    Returns
    -------
    dict
        [K] each, areas under the ROC curve in 0..1, with ties counting half: 0.5 is chance, 1 separates all examples. Empty
        for splits other than test and if examples are not numbers. `ood_<data>_auroc`: certainty is the softmax probability
        of the prediction. `ood_<data>_entropy_auroc`: uncertainty is the entropy of all probabilities. With `eval.mode=mc`
        also `ood_<data>_mc_auroc` and `ood_<data>_mc_entropy_auroc`, the same for the mean probabilities of the noisy
        passes, and `ood_<data>_mc_information_auroc`, where uncertainty is the mutual information of prediction and mask.
        The last one is 0.5 if no noise acts.

    References
    ----------
    Hendrycks and Gimpel 2017 (arXiv:1610.02136) for the probability; Houlsby et al. 2011 (arXiv:1112.5745) and Gal and
    Ghahramani 2016 (arXiv:1506.02142) for the mutual information.
    """
    if part != "test":
        return {}
    if not next(network.examples(part))[0].is_floating_point():
        return {}
    familiar = _scores(network, (x for x, _ in first(network, part, examples)), "own")
    areas: dict[str, Tensor] = {}
    for data in against:
        unfamiliar = _noise(network, part, examples) if data == "noise" else network.foreign(data, examples)
        scores = _scores(network, unfamiliar, data)
        for score in familiar:
            pairs = zip(familiar[score].unbind(0), scores[score].unbind(0), strict=True)
            areas[f"ood_{data}_{score}auroc"] = torch.stack([auc(*pair) for pair in pairs])
    return areas


def _noise(network: Network, part: str, examples: int) -> Iterator[Tensor]:
    """Yields normal numbers in the shape of the split's examples, in pieces."""
    normal = network.normals("ood/noise")
    return (normal(tuple(x.shape[1:])) for x, _ in first(network, part, examples))


def _scores(network: Network, pieces: Iterable[Tensor], stream: str) -> Scores:
    noisy = network.noisy(f"ood/{stream}")
    scores: dict[str, list[Tensor]] = {}
    for x in pieces:
        of_piece = _stacked([doubt(one.softmax(-1)) for one in _rows(network.logits(x))])
        if network.passes:
            passes = [_rows(noisy(x)) for _ in range(network.passes)]
            of_piece |= _stacked([disagreement(torch.stack(one).softmax(-1)) for one in zip(*passes, strict=True)])
        for name, values in of_piece.items():
            scores.setdefault(name, []).append(values)
    return {name: torch.cat(values, 1) for name, values in scores.items()}


def _rows(logits: Tensor) -> tuple[Tensor, ...]:
    """Splits the logits by replica, because `exp` rounds the last numbers of a tensor differently."""
    return logits.cpu().double().unbind(0)


def _stacked(each: Sequence[Scores]) -> Scores:
    return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def doubt(p: Tensor) -> Scores:
    """Returns the uncertainty of probabilities p [n, C]: 1 minus the largest, and the entropy in nats.

    The first is computed as the sum of the other probabilities, since the largest one rounds to 1 if the network overfits.
    """
    return {"": p.sort(-1, descending=True).values[:, 1:].sum(-1), "entropy_": torch.special.entr(p).sum(-1)}


def disagreement(p: Tensor) -> Scores:
    """Returns `doubt` of the mean p̄ of T passes p [T, n, C], and the mutual information H[p̄] - mean H[p_t] in nats.

    A mutual information below 1e-12 is due to rounding and is set to 0.
    """
    mean = p.mean(0)
    scores = doubt(mean)
    information = scores["entropy_"] - torch.special.entr(p).sum(-1).mean(0)
    scores["information_"] = torch.where(information > 1e-12, information, 0.0)
    return {f"mc_{name}": values for name, values in scores.items()}
