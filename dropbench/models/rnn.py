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
    """Recurrent layers, then a linear map of the last state or of the mean over time.

    Words, given as numbers, are embedded first. Padding is embedded like any other word. It comes before the sentence, so
    the last state is the state after the sentence's last word; the mean over time includes the padding.

    Sites: for sequences, `input` (TF); for words, `embedding`, the rows of the table (VF), and `embedded`, the embedded
    words (TF), which count as a layer's output and not as the input. Then the sites of the layers, see `RecurrentLayers`,
    and `head`, the input of the linear map. It counts as a sequence of one step (TF), so that variants that share a mask
    over time can act there.

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (T, F) for a sequence, or (T, V) for words: T steps, a vocabulary of V.
    n_classes : int
        Number of logits per example.
    cell : {"vanilla", "lstm", "gru"}
        Kind of the recurrent layers.
    hidden : int
        H, units of each recurrent layer.
    layers : int
        Recurrent layers.
    readout : {"last", "mean"}
        The input of the linear map: the state after the last step, or the mean over all steps.
    embedding : int
        Length of the embedding's rows; not used for sequences.
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
        """Maps sequences x [K, B, T, F], or word numbers x [K, B, T] int64, to logits [K, B, n_classes]."""
        if self.embedding is None:
            x = noise("input", x)
        else:
            x = noise("embedded", noise.embed("embedding", x, self.embedding.weight))
        x, _ = self.layers(x, noise, [None] * len(self.layers))
        x = x[:, :, -1:] if self.readout == "last" else x.mean(2, keepdim=True)
        x = noise("head", x)
        logits: Tensor = self.head(x.squeeze(2))
        return logits
