"""Out-of-distribution detection: telling examples of other data by how unsure the network is of them."""

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
"""A single name is taken for a list of one."""
Scores = dict[str, Tensor]
"""By the name of the score, [n] of one replica or [K, n]; larger is less sure."""


@torch.no_grad()
def ood(network: Network, part: str, *, against: Names = ("noise",), examples: Count = 2000) -> dict[str, Tensor]:
    """The chance that the network is less sure of an example of other data than of a test example.

    Parameters
    ----------
    against : sequence of str
        Names of data sets, whose test examples are brought to the shape of the run's own and normalised with the mean and
        deviation of its training data; and "noise", normal numbers of that mean and deviation.
    examples : int
        How many examples of each data set are used at most, since with `eval.mode=mc` each costs many passes. With 2,000 and
        2,000, the standard error of an area near 0.5 is 0.009, and the arms of a seed share a part of it.

    Returns
    -------
    dict
        [K] each, areas under the ROC curve in 0..1, ties counting half: 0.5 is chance, 1 tells all examples apart. Empty for
        other parts than test, and where examples are not numbers. `ood_<data>_auroc`: the network is sure where the softmax
        probability of its answer is large. `ood_<data>_entropy_auroc`: where the entropy of all probabilities is small. With
        `eval.mode=mc` also `ood_<data>_mc_auroc` and `ood_<data>_mc_entropy_auroc`, the same for the mean probabilities of
        the noisy passes, and `ood_<data>_mc_information_auroc`, by the mutual information of prediction and mask, which is
        0.5 where no noise acts.

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
    """Normal numbers in the shape of the part's examples, in pieces."""
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
    """The logits of each replica by itself, because `exp` rounds the last numbers of a tensor differently."""
    return logits.cpu().double().unbind(0)


def _stacked(each: Sequence[Scores]) -> Scores:
    return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def doubt(p: Tensor) -> Scores:
    """How unsure probabilities p [n, C] are: 1 minus the largest, and the entropy in nats.

    The first is computed as the sum of the others: where a network overfits, the largest probability rounds to 1.
    """
    return {"": p.sort(-1, descending=True).values[:, 1:].sum(-1), "entropy_": torch.special.entr(p).sum(-1)}


def disagreement(p: Tensor) -> Scores:
    """`doubt` of the mean p̄ of T passes p [T, n, C], and the mutual information H[p̄] - mean H[p_t] in nats.

    A mutual information below 1e-12 is rounding and counts as 0.
    """
    mean = p.mean(0)
    scores = doubt(mean)
    information = scores["entropy_"] - torch.special.entr(p).sum(-1).mean(0)
    scores["information_"] = torch.where(information > 1e-12, information, 0.0)
    return {f"mc_{name}": values for name, values in scores.items()}
