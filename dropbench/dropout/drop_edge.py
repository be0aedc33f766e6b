"""DropEdge."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant
from dropbench.sites import Kind


class DropEdge(Variant):
    """Each undirected edge of a graph is dropped by itself, both directions together, and what is left is renormalised.

    Rong et al. 2020 (arXiv:1907.10903, section 4.1). All layers of a step see the same edges, as in their default (they also
    try other edges for each layer). Nothing is scaled: the model makes its degrees from the edges that are left, which takes
    the place of 1 / (1 - rate). Self-loops stay. Evaluation uses all edges.

    They drop a fixed number, rate · E, without replacement; here each edge falls independently, so that the number varies with
    standard deviation sqrt(E · rate · (1 - rate)), 36 of Cora's 5,278 edges at rate 0.5. Their released code draws the two
    directions of an edge apart, which leaves a directed graph; so does PyG's `dropout_edge` without `force_undirected`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"edge"})
    scales: ClassVar[bool] = False
