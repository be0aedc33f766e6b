"""A recurrent classifier of sequences."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from dropbench.models.block import Positive
from dropbench.models.recurrent import RecurrentLayers, output_of
from dropbench.nn.embedding import Embedding
from dropbench.nn.linear import Linear
from dropbench.nn.recurrent import Cell
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class RNN(nn.Module):
    """Recurrent layers, a read-out of the last state or the mean over time, then a linear map.

    Words, which come as numbers, are embedded first. Padding is a word like others, with a row of its own: it stands before
    the sentence, so the last state is that of the sentence's last word; the mean over time has it in.

    Sites: of a sequence `input` (TF); of words `embedding`, the rows of the table (VF), and `embedded`, what is looked up in
    it (TF), which is a layer's output and no input. Then those of the layers, see `RecurrentLayers`, and `head`, the
    read-out: a sequence of one step (TF), so that a variant that shares a mask over time may act there too.
    """

    stacked = True
    eats = ("sequence", "tokens")

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        cell: Cell = "lstm",
        hidden: Positive,
        layers: Positive = 1,
        readout: Literal["last", "mean"] = "last",
        embedding: Positive = 64,
    ) -> None:
        super().__init__()
        steps, features = shape
        self.readout = readout
        first, follows = "layers.0.weight_input", output_of(cell) if readout == "last" else None
        self.embedding: Embedding | None = None
        if getattr(shape, "view", "sequence") == "tokens":
            self.embedding = Embedding(replicas, features, embedding)
            table = Site("embedding", "token", (features, embedding), "VF")
            features = embedding
            sites = [table, Site("embedded", "activation", (steps, features), "TF", reader=first)]
        else:
            sites = [Site("input", "activation", (steps, features), "TF", reader=first)]
        self.layers = RecurrentLayers(replicas, features, hidden, cell, layers, steps)
        self.head = Linear(replicas, hidden, n_classes)
        head = Site("head", "activation", (1, hidden), "TF", reader="head.weight", follows=follows)
        self.sites = (*sites, *self.layers.sites, head)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        if self.embedding is None:
            x = noise("input", x)
        else:
            x = noise("embedded", noise.embed("embedding", x, self.embedding.weight))
        x, _ = self.layers(x, noise, [None] * len(self.layers))
        x = x[:, :, -1:] if self.readout == "last" else x.mean(2, keepdim=True)
        x = noise("head", x)
        logits: Tensor = self.head(x.squeeze(2))
        return logits
