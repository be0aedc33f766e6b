"""Small random graphs."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.data.base import Graph, Table

CLASSES = 3


def graph(nodes: int = 61, features: int = 37, edges: int = 90, density: float = 0.08, seed: int = 0) -> Graph:
    """Return a graph with sparse features, one row of which is zero, and with a node without edges."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(nodes, features, generator=generator) * (torch.rand(nodes, features, generator=generator) < density)
    x[0] = 0
    every = torch.combinations(torch.arange(nodes - 1))
    chosen = torch.randperm(len(every), generator=generator)[:edges]
    return Graph(x, every[chosen.sort().values].T.contiguous())


def graph_table(nodes: int = 61, **sizes: int | float) -> Table:
    """Return a table of the nodes of such a graph, each with a class."""
    y = torch.arange(nodes) % CLASSES
    return Table("graph", torch.arange(nodes)[:, None], y, "N", CLASSES, graph=graph(nodes, **sizes))  # type: ignore[arg-type]


def normalised(edges: Tensor, strengths: Tensor, nodes: int) -> Tensor:
    """Compute D^-1/2 (A + I) D^-1/2 directly, as a float64 matrix; Kipf & Welling 2017."""
    a = torch.eye(nodes, dtype=torch.float64)
    for (i, j), s in zip(edges.T.tolist(), strengths.tolist(), strict=True):
        a[i, j] += s
        a[j, i] += s
    d = a.sum(1)
    return a / torch.sqrt(d[:, None] * d[None, :])
