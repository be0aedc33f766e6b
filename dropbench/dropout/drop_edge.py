"""DropEdge."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant
from dropbench.sites import Kind


class DropEdge(Variant):
    """Drops each undirected edge of a graph independently, both directions together, and renormalises the remaining graph.

    Rong et al. 2020 (arXiv:1907.10903, section 4.1). All layers of a step see the same edges, as in the paper's default (the
    paper also tries different edges for each layer). Nothing is scaled by 1 / (1 - rate). Instead the model computes its
    degrees from the remaining edges. Self-loops stay. Evaluation uses all edges.

    The paper drops a fixed number of edges, rate · E, without replacement. Here each edge is dropped independently, so the
    number varies with standard deviation sqrt(E · rate · (1 - rate)): 36 of Cora's 5,278 edges at rate 0.5. The authors'
    code draws the two directions of an edge separately, which leaves a directed graph; so does PyG's `dropout_edge` without
    `force_undirected`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"edge"})
    scales: ClassVar[bool] = False
