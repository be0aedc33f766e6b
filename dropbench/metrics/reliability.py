"""What a reliability diagram is drawn from."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers, binned
from dropbench.metrics.probe import Network


@torch.no_grad()
def reliability(network: Network, part: str, *, bins: Bins = 15) -> dict[str, Tensor]:
    """Of test, in `bins` equal intervals of confidence: how many examples, the sum of their confidences, and how many are
    right, as `reliability_examples`, `_confidence` and `_right`, [K, bins] each; {} of the other parts.

    Niculescu-Mizil & Caruana 2005 (ICML), in the form of Guo et al. 2017 (arXiv:1706.04599, figure 1). Sums and not means, so
    that `ece` with as many bins is exactly Σ |confidence - right| / Σ examples, and bins of several runs can be added.
    """
    if part != "test":
        return {}
    pieces = [(network.logits(x), y) for x, y in network.examples(part)]
    logits, targets = (torch.cat(side, 1) for side in zip(*pieces, strict=True))
    pairs = zip(logits.unbind(0), targets.unbind(0), strict=True)
    each = [binned(*answers(*pair), bins) for pair in pairs]
    names = ("examples", "confidence", "right")
    return {f"reliability_{name}": torch.stack(rows) for name, rows in zip(names, zip(*each, strict=True), strict=True)}
