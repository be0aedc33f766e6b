"""Over how many steps attention is spread."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def attention_entropy(network: Network, part: str) -> dict[str, Tensor]:
    """The entropy of attention weights, the mean over all attention layers, heads, examples and steps that attend.

    Of words, steps that are padding (number 0) are left out. Even attention to n steps has log n nats, attention to a single
    one has 0.

    Returns
    -------
    dict
        `attention_entropy` [K], nats; empty where nothing attends.

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762) for the weights; Ghader and Monz 2017 (arXiv:1710.03348) for their entropy.
    """
    if "attention" not in network.kinds.values():
        return {}
    seen: list[Tensor] = []  # of the piece at hand, each layer's weights [K, B, A, T, S]

    def see(site: str, h: Tensor) -> Tensor:
        if network.kinds.get(site) == "attention":
            seen.append(h.double().cpu())
        return h

    logits_of = network.changed(see)
    sums, counts = [], []
    for x, _ in network.examples(part):
        seen.clear()
        logits_of(x)
        for weights in seen:
            entropy = torch.special.entr(weights).sum(-1)
            attends = (
                torch.ones_like(entropy) if x.is_floating_point() else (x != 0).cpu()[:, :, None].expand_as(entropy)
            )
            # A replica by itself, so that no sum depends on the stack.
            sums.append(torch.stack([row.sum() for row in (entropy * attends).unbind(0)]))
            counts.append(attends.flatten(1).sum(1))
    return {"attention_entropy": sum(sums[1:], sums[0]) / sum(counts[1:], counts[0])}
