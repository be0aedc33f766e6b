"""Dropping the features of whole nodes."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class NodeFeatures(Variant):
    """All features of a node of a graph are dropped together; what is kept is scaled by 1 / (1 - rate) in training.

    "DropNode" of Feng et al. 2020 (GRAND, arXiv:2005.11079, section 3.1), who drop at the input alone, as the YAML does;
    `dropout.placement` may name hidden layers. A node without features still gets those of its neighbours, since its edges
    and its self-loop stay. Single elements of the feature matrix are `standard` with `dropout.placement=input`.

    Not PyG's `dropout_node` nor DGL's `DropNode` (You et al. 2020, GraphCL), which take nodes out of the graph with all of
    their edges and scale nothing.
    """

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        return None if "N" in site.axes else f"drops the features of whole nodes, and {site.name} is of no graph"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(n if axis == "N" else 1 for n, axis in zip(site.shape, site.axes, strict=True)))
