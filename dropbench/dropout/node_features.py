"""Dropping the features of whole nodes."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class NodeFeatures(Variant):
    """Drops all features of a graph's node together and scales the kept ones by 1 / (1 - rate) in training.

    This is "DropNode" of Feng et al. 2020 (GRAND, arXiv:2005.11079, section 3.1). The paper drops at the input only, and so
    does the default placement; `dropout.placement` may name hidden layers. A node without features still receives those of
    its neighbours, since its edges and its self-loop stay. To drop single elements of the feature matrix, use `standard`
    with `dropout.placement=input`.

    PyG's `dropout_node` and DGL's `DropNode` (You et al. 2020, GraphCL) are different: they remove nodes from the graph with
    all of their edges, and scale nothing.
    """

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        return None if "N" in site.axes else f"drops the features of whole nodes, and {site.name} has no node axis"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(n if axis == "N" else 1 for n, axis in zip(site.shape, site.axes, strict=True)))
