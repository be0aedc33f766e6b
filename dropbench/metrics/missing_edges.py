"""Accuracy on a graph with some edges missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.missing import Percent
from dropbench.metrics.probe import Network


@torch.no_grad()
def missing_edges(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25, 50)
) -> dict[str, Tensor]:
    """Computes the accuracy with some edges of the graph missing at random.

    A missing edge is missing in both directions. The strengths of the remaining edges are normalised again, as in a graph
    that never had the edge. The arms of a seed miss the same edges, and edges missing at a lower percentage are also missing
    at a higher one.

    Parameters
    ----------
    percent : sequence of int
        Shares of edges that are missing, in percent.

    Returns
    -------
    dict
        `missing_edges_<percent>_accuracy` [K], 0..1, for each; empty if there are no edges.

    References
    ----------
    Rong et al. 2020 (arXiv:1907.10903) drop edges in training.
    """
    if "edge" not in network.kinds.values():
        return {}
    drawn: list[Tensor] = []
    draw = network.uniforms("missing_edges")

    def without(site: str, strengths: Tensor, below: float) -> Tensor:
        if network.kinds.get(site) != "edge":
            return strengths
        if not drawn:
            drawn.append(draw(tuple(strengths.shape[2:]))[:, None])
        return strengths * (drawn[0] >= below)

    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        for p, pieces in right.items():
            logits = network.changed(lambda site, h, below=p / 100: without(site, h, below))  # type: ignore[misc]
            pieces.append(logits(x).argmax(-1) == y)
    return {f"missing_edges_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}
