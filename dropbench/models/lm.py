"""A recurrent language model, which predicts the next word."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.block import Positive
from dropbench.models.recurrent import RecurrentLayers, output_of
from dropbench.nn.embedding import Embedding
from dropbench.nn.init import Draw
from dropbench.nn.linear import Linear
from dropbench.nn.product import affine
from dropbench.nn.recurrent import Cell, State
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class LanguageModel(nn.Module):
    """Word embeddings, recurrent layers and a linear map to the logits of the next word, at every step.

    The state is carried from one window of the text to the next, and gradients stop at the start of a window. Initial
    weights have variance 1/H: uniform in ±√(3/H), which is ±0.12, ±0.07 and ±0.04 for 200, 650 and 1,500 units, or normal or
    orthogonal with that variance. Zaremba et al. initialise every parameter uniformly in ±0.1, ±0.05 and ±0.04. Unlike in
    the paper, the LSTM's forget gate starts open.

    Sites: `embedding`, the rows of the table (VF), and `embedded`, the embedded words (TF); the sites of the layers, see
    `RecurrentLayers`; `head`, the top layer's states before the last map (TF). Zaremba's dropout is `standard` at
    `embedded`, `hidden.*` and `head`, which is the default placement.

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (T, V): words per window, words of the vocabulary.
    n_classes : int
        V.
    cell : {"vanilla", "lstm", "gru"}
        Kind of the recurrent layers.
    hidden : int
        H, units of each recurrent layer.
    layers : int
        Recurrent layers.
    embedding : int, optional
        Length of the embedding's rows; `hidden` if not given.
    tied : bool
        Whether the head uses the embedding's weights, whose rows must then be as long as the state (Press and Wolf 2017,
        arXiv:1608.05859; Inan et al. 2017, arXiv:1611.01462).

    Raises
    ------
    UsageError
        If `tied` and `embedding` contradict each other.

    References
    ----------
    Zaremba, Sutskever and Vinyals 2014 (arXiv:1409.2329).
    """

    stacked = True
    eats = ("text",)
    task = "predict_next"

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        cell: Cell = "lstm",
        hidden: Positive = 200,
        layers: Positive = 2,
        embedding: Positive | None = None,
        tied: bool = False,
    ) -> None:
        super().__init__()
        steps, vocabulary = shape
        features = embedding or hidden
        if tied and features != hidden:
            raise UsageError(
                f"model.tied=true needs embedding rows as long as the state, but model.embedding={features} is not "
                f"model.hidden={hidden}: remove model.embedding"
            )
        self.embedding = Embedding(replicas, vocabulary, features, features**-0.5)
        self.layers = RecurrentLayers(replicas, features, hidden, cell, layers, steps)
        if tied:  # a row holds the incoming weights of a unit of the head
            self.embedding.incoming = {"weight": (2,)}
        self.head = TiedHead(replicas, vocabulary) if tied else Linear(replicas, hidden, n_classes)
        self.carried: list[State | None] = [None] * layers
        self.sites = (
            Site("embedding", "token", (vocabulary, features), "VF"),
            Site("embedded", "activation", (steps, features), "TF", reader="layers.0.weight_input"),
            *self.layers.sites,
            Site(
                "head",
                "activation",
                (steps, hidden),
                "TF",
                reader=None if tied else "head.weight",
                follows=output_of(cell),
            ),
        )

    def begin(self) -> None:
        """Sets the state to zero; called before the first window of a text."""
        self.carried = [None] * len(self.layers)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps word numbers x [K, B, T] int64 to the logits of the word after each, [K, B, T, V]."""
        table = self.embedding.weight
        states = noise("embedded", noise.embed("embedding", x, table))
        states, ends = self.layers(states, noise, self.carried)
        self.carried = [(state.detach(), memory.detach()) for state, memory in ends]
        states = noise("head", states)
        tied = isinstance(self.head, TiedHead)
        logits: Tensor = self.head(states, table) if tied else self.head(states)
        return logits


class TiedHead(nn.Module):
    """A linear map with the embedding's table as weights and its own bias: x [K, B, T, H] to [K, B, T, V]."""

    def __init__(self, replicas: int, vocabulary: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(replicas, 1, vocabulary))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Sets the bias to zero; nothing is drawn."""
        self.bias.zero_()

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """Maps x [K, B, T, H] to logits [K, B, T, V] by the table [K, V, H]."""
        logits: Tensor = affine(x.flatten(1, 2), table.transpose(1, 2), self.bias).unflatten(1, x.shape[1:3])
        return logits
