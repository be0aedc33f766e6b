"""The graph convolutional network."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from dropbench.models.block import BatchNormPlace, Positive
from dropbench.nn.activation import Activation, function, gain
from dropbench.nn.graph import Adjacency, Features, Linked
from dropbench.nn.linear import Linear
from dropbench.nn.norm import BatchNorm
from dropbench.nn.product import differentiable_product
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class GCN(nn.Module):
    """Graph convolutions: multiply each node's features by a matrix, then take a weighted sum over its neighbours and itself.

    A layer is activation(Â X W + b) with Â = D^-1/2 (A + I) D^-1/2; the last one has no activation and gives the logits.
    Every forward pass computes all nodes of the graph and returns the logits of the requested ones.

    The graph is one example, so noise sees a batch of one. Sites: `edges` (E), the strengths of the undirected edges, 1
    each, from which Â is computed once for all layers; `input` (NF); and `hidden.i` (NF) after each layer except the last.
    Weights are not a site: moment-matched inference would need Â X first, which is not sparse.

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (N, F); its attribute `edges` is the number of undirected edges.
    n_classes : int
        Number of logits per node.
    layers : int
        Number of graph convolutions, including the last one.
    hidden : int
        Features of a node after each layer except the last.
    activation : str
        Activation of every layer except the last.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        The place of batch norm in each layer.
    adjacency : {"sparse", "dense"}
        Whether Â is multiplied as a sparse or as a full matrix.

    References
    ----------
    Kipf and Welling 2017 (arXiv:1609.02907), equations 2 and 9.
    """

    stacked = True
    eats = ("graph",)

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        layers: Positive = 2,
        hidden: Positive = 64,
        activation: Activation = "relu",
        batch_norm: BatchNormPlace = "none",
        adjacency: Literal["sparse", "dense"] = "sparse",
    ) -> None:
        super().__init__()
        nodes, features = shape
        self.adjacency = adjacency
        self.layers = nn.ModuleList(
            GraphLayer(replicas, hidden if i else features, hidden, activation, batch_norm) for i in range(layers - 1)
        )
        self.head = Linear(replicas, hidden if layers > 1 else features, n_classes)
        # The parameters that multiply the features, layer by layer.
        readers = [*(f"layers.{i}.linear.weight" for i in range(layers - 1)), "head.weight"]
        follows = activation if batch_norm in ("none", "before_activation", "after_dropout") else None
        self.sites = (
            Site("edges", "edge", (getattr(shape, "edges", 0),), "E"),
            Site("input", "activation", (nodes, features), "NF", reader=readers[0]),
            *(
                Site(f"hidden.{i}", "activation", (nodes, hidden), "NF", reader=reader, follows=follows)
                for i, reader in enumerate(readers[1:])
            ),
        )

    def attach(self, graph: Linked, device: torch.device) -> None:
        """Gives the network its graph; must be called once, before the first `forward`."""
        self._features = Features(graph.features.to(device))
        self._adjacency = Adjacency(graph.edges.to(device), len(graph.features), self.adjacency == "dense")

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps node numbers x [K, B] int64 to the logits of these nodes, [K, B, n_classes]."""
        k = len(x)
        whole = self._features.x
        strengths = whole.new_ones(k, 1, self._adjacency.edges.shape[1])
        matrices = self._adjacency.matrices(_unless(noise("edges", strengths), strengths), k)
        features = whole.expand(k, 1, -1, -1)
        layers = cast(list[GraphLayer], list(self.layers))
        maps = [*(layer.linear for layer in layers), self.head]
        # (Â X) W is computed as Â (X W), because W reduces the number of features; the bias is added afterwards.
        product = self._features.times(_unless(noise("input", features), features), maps[0].weight)
        for i, (layer, following) in enumerate(zip(layers, maps[1:], strict=True)):
            h = layer(self._adjacency.propagate(matrices, product), noise, f"hidden.{i}")
            product = differentiable_product(h, following.weight)
        logits = self._adjacency.propagate(matrices, product) + self.head.bias
        return logits.gather(1, x[..., None].expand(-1, -1, logits.shape[-1]))


class GraphLayer(nn.Module):
    """A hidden layer's weights, and the steps after the propagation: bias, batch norm over all nodes, activation, noise."""

    def __init__(
        self, replicas: int, inputs: int, outputs: int, activation: Activation, batch_norm: BatchNormPlace
    ) -> None:
        super().__init__()
        self.linear = Linear(replicas, inputs, outputs, gain(activation))
        self.activation = function(activation)
        self.batch_norm = batch_norm
        self.norm = None if batch_norm == "none" else BatchNorm(replicas, outputs)

    def forward(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        """Applies the steps after the propagation to x [K, N, H], keeping its shape; `name` is the site of the output."""
        x = self._normed("before_activation", x + self.linear.bias)
        x = self._normed("after_activation", self.activation(x))
        x = noise(name, x[:, None])[:, 0]
        return self._normed("after_dropout", x)

    def _normed(self, place: BatchNormPlace, x: Tensor) -> Tensor:
        if self.norm is None or self.batch_norm != place:
            return x
        normed: Tensor = self.norm(x)
        return normed


def _unless(seen: Tensor, given: Tensor) -> Tensor | None:
    """Returns the output of a site without the batch axis, or None if no noise acted and it is the given tensor."""
    return None if seen is given else seen[:, 0]
