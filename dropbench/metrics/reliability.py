"""The numbers of a reliability diagram."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers, binned
from dropbench.metrics.probe import Network


@torch.no_grad()
def reliability(network: Network, part: str, *, bins: Bins = 15) -> dict[str, Tensor]:
    """Computes confidence and accuracy of the test examples in equal intervals of confidence.

    The values are sums, not means. So `ece` with the same number of bins is exactly Σ |confidence - right| / Σ examples, and
    the bins of several runs can be added.

    Parameters
    ----------
    bins : int
        Number of intervals of confidence.

    Returns
    -------
    dict
        [K, bins] each; empty for splits other than test. `reliability_examples`: the number of examples.
        `reliability_confidence`: the sum of their confidences. `reliability_right`: the number of correct predictions.

    References
    ----------
    Niculescu-Mizil and Caruana 2005 (ICML), in the form of Guo et al. 2017 (arXiv:1706.04599), figure 1.
    """
    if part != "test":
        return {}
    pieces = [(network.logits(x), y) for x, y in network.examples(part)]
    logits, targets = (torch.cat(side, 1) for side in zip(*pieces, strict=True))
    pairs = zip(logits.unbind(0), targets.unbind(0), strict=True)
    each = [binned(*answers(*pair), bins) for pair in pairs]
    names = ("examples", "confidence", "right")
    return {f"reliability_{name}": torch.stack(rows) for name, rows in zip(names, zip(*each, strict=True), strict=True)}
