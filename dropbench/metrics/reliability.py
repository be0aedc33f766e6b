"""The numbers that a reliability diagram is drawn from."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers, binned
from dropbench.metrics.probe import Network


@torch.no_grad()
def reliability(network: Network, part: str, *, bins: Bins = 15) -> dict[str, Tensor]:
    """Confidence and accuracy of the test examples in equal intervals of confidence.

    They are sums and not means, so that `ece` with as many bins is exactly Σ |confidence - right| / Σ examples, and the bins of
    several runs can be added.

    Parameters
    ----------
    bins : int
        Intervals of confidence.

    Returns
    -------
    dict
        [K, bins] each; empty for other parts than test. `reliability_examples`: how many examples. `reliability_confidence`:
        the sum of their confidences. `reliability_right`: how many answers are right.

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
