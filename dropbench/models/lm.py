"""A recurrent language model: which word comes next."""

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

    Zaremba et al. 2014 (arXiv:1409.2329). The state is carried from one window of the text to the next, and gradients end
    where a window begins. Zaremba et al. start every parameter uniform in ±0.1, ±0.05 and ±0.04 at 200, 650 and 1,500 units.
    Weights here have variance 1/H, uniform in ±√(3/H) = ±0.12, ±0.07 and ±0.04 or of that deviation; and the LSTM's forget
    gate starts open, which theirs does not.

    tied: the head's weights are the embedding's (Press & Wolf 2017, arXiv:1608.05859; Inan et al. 2017,
    arXiv:1611.01462), whose rows then are as long as the top layer's state.

    Sites: `embedding`, the rows of the table (VF), and `embedded`, what is looked up in it (TF); those of the layers, see
    `RecurrentLayers`; `head`, the top layer's states before that last map (TF). Zaremba's dropout is `standard` at `embedded`,
    `hidden.*` and `head`, which is where it goes by itself.
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
        steps, words = shape
        features = embedding or hidden
        if tied and features != hidden:
            raise UsageError(
                f"model.tied=true needs rows of the embedding as long as the state, and model.embedding={features} is not "
                f"model.hidden={hidden}: leave out model.embedding"
            )
        self.embedding = Embedding(replicas, words, features, features**-0.5)
        self.layers = RecurrentLayers(replicas, features, hidden, cell, layers, steps)
        self.head = TiedHead(replicas, words) if tied else Linear(replicas, hidden, n_classes)
        self.carried: list[State | None] = [None] * layers
        self.sites = (
            Site("embedding", "token", (words, features), "VF"),
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
        """The next window is the first of its text: the state starts at zero."""
        self.carried = [None] * len(self.layers)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Word numbers [K, B, T] to the logits of the word after each, [K, B, T, V]."""
        table = self.embedding.weight
        states = noise("embedded", noise.embed("embedding", x, table))
        states, ends = self.layers(states, noise, self.carried)
        self.carried = [(state.detach(), memory.detach()) for state, memory in ends]
        states = noise("head", states)
        tied = isinstance(self.head, TiedHead)
        logits: Tensor = self.head(states, table) if tied else self.head(states)
        return logits


class TiedHead(nn.Module):
    """A bias of its own, and the embedding's table [K, V, H] for weights: x [K, B, T, H] to [K, B, T, V]."""

    def __init__(self, replicas: int, words: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(replicas, 1, words))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        self.bias.zero_()

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        logits: Tensor = affine(x.flatten(1, 2), table.transpose(1, 2), self.bias).unflatten(1, x.shape[1:3])
        return logits
