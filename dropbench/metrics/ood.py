"""Telling examples of other data from one's own by how unsure the network is of them."""

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
"""One by itself is a list."""
Scores = dict[str, Tensor]
"""By which score, [n] of one replica, or [K, n]: larger is more unsure."""


@torch.no_grad()
def ood(network: Network, part: str, *, against: Names = ("noise",), examples: Count = 2000) -> dict[str, Tensor]:
    """`ood_<data>_auroc`: the chance that the network is less sure of an example of `data` than of a test example, [K].

    Ties count half; 0.5 is chance, 1 tells all apart. Sure is who has a large softmax probability of the answer (Hendrycks &
    Gimpel 2017, arXiv:1610.02136). `ood_<data>_entropy_auroc` goes by the entropy of all probabilities instead. With
    `eval.mode=mc` there are the same two for the mean of its noisy passes, `ood_<data>_mc_auroc` and
    `ood_<data>_mc_entropy_auroc`, and `ood_<data>_mc_information_auroc`, by the mutual information of prediction and mask
    (Houlsby et al. 2011, arXiv:1112.5745; Gal & Ghahramani 2016): 0.5 where no noise acts.

    against: names of data sets, whose test examples are brought to the shape of the run's own and normalised with the mean
        and deviation of its training data; and `noise`, normals of that mean and deviation.
    examples: of each data set at most so many, since with mc each costs as many passes. The error of an AUROC by so many and
        so many is at most 0.009, and the arms of a seed share it in part.

    {} where examples are no numbers, and for other parts than test.
    """
    if part != "test":
        return {}
    if not next(network.examples(part))[0].is_floating_point():
        return {}
    mine = _scores(network, (x for x, _ in first(network, part, examples)), "own")
    found: dict[str, Tensor] = {}
    for data in against:
        other = _noise(network, part, examples) if data == "noise" else network.foreign(data, examples)
        theirs = _scores(network, other, data)
        for score in mine:
            pairs = zip(mine[score].unbind(0), theirs[score].unbind(0), strict=True)
            found[f"ood_{data}_{score}auroc"] = torch.stack([auc(*pair) for pair in pairs])
    return found


def _noise(network: Network, part: str, examples: int) -> Iterator[Tensor]:
    """In the shape of the part's examples."""
    normal = network.normals("ood/noise")
    return (normal(tuple(x.shape[1:])) for x, _ in first(network, part, examples))


def _scores(network: Network, pieces: Iterable[Tensor], stream: str) -> Scores:
    noisy = network.noisy(f"ood/{stream}")
    found: dict[str, list[Tensor]] = {}
    for x in pieces:
        of_piece = _stacked([doubt(one.softmax(-1)) for one in _rows(network.logits(x))])
        if network.passes:
            passes = [_rows(noisy(x)) for _ in range(network.passes)]
            of_piece |= _stacked([disagreement(torch.stack(one).softmax(-1)) for one in zip(*passes, strict=True)])
        for name, values in of_piece.items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(values, 1) for name, values in found.items()}


def _rows(logits: Tensor) -> tuple[Tensor, ...]:
    """Those of each replica: one at a time, because `exp` rounds the last numbers of a tensor in another way."""
    return logits.cpu().double().unbind(0)


def _stacked(each: Sequence[Scores]) -> Scores:
    return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def doubt(p: Tensor) -> Scores:
    """Of probabilities [n, C]: what is left of 1 beside the largest, and the entropy in nats.

    What is left is added up and not taken from 1, of which nothing would be left in the probabilities of what overfits.
    """
    return {"": p.sort(-1, descending=True).values[:, 1:].sum(-1), "entropy_": torch.special.entr(p).sum(-1)}


def disagreement(p: Tensor) -> Scores:
    """The same of the mean over passes of p [T, n, C], and the mutual information H[p̄] - mean H[p_t], in nats.

    Differences of entropies under 1e-12 are rounding, and count as none.
    """
    mean = p.mean(0)
    scores = doubt(mean)
    information = scores["entropy_"] - torch.special.entr(p).sum(-1).mean(0)
    scores["information_"] = torch.where(information > 1e-12, information, 0.0)
    return {f"mc_{name}": values for name, values in scores.items()}
