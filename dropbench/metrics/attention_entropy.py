"""How widely attention is spread over steps."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def attention_entropy(network: Network, part: str) -> dict[str, Tensor]:
    """Computes the entropy of attention weights, averaged over all attention layers, heads, examples and query steps.

    For words, query steps that are padding (number 0) are left out. Equal attention to n steps has log n nats, attention to
    a single step has 0.

    Returns
    -------
    dict
        `attention_entropy` [K], nats; empty for a model without attention.

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762) for the weights; Ghader and Monz 2017 (arXiv:1710.03348) for their entropy.
    """
    if "attention" not in network.kinds.values():
        return {}
    seen: list[Tensor] = []  # the weights of each layer for the current piece, [K, B, A, T, S]

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
            # One replica at a time, so that no sum depends on the stack.
            sums.append(torch.stack([row.sum() for row in (entropy * attends).unbind(0)]))
            counts.append(attends.flatten(1).sum(1))
    return {"attention_entropy": sum(sums[1:], sums[0]) / sum(counts[1:], counts[0])}
