"""A recurrent classifier of sequences."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from dropbench.models.block import Positive
from dropbench.nn.linear import Linear
from dropbench.nn.recurrent import Cell, Recurrent
from dropbench.sites import Noise, Site


class RNN(nn.Module):
    """Recurrent layers, a read-out of the last state or the mean over time, then a linear map.

    Sites: `input` (TF), `recurrent.i` on the hidden-to-hidden path of each layer, `hidden.i` between layers (TF), and
    `head`, the read-out: a sequence of one step (TF), so that a variant that shares a mask over time may act there too.
    """

    stacked = True
    eats = ("sequence",)

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
    ) -> None:
        super().__init__()
        steps, features = shape
        self.readout = readout
        self.layers = nn.ModuleList(Recurrent(replicas, hidden if i else features, hidden, cell) for i in range(layers))
        self.head = Linear(replicas, hidden, n_classes)
        sites = [Site("input", "activation", (steps, features), "TF")]
        for i in range(layers):
            sites.append(Site(f"recurrent.{i}", "recurrent", (steps, hidden), "TF"))
            if i < layers - 1:
                sites.append(Site(f"hidden.{i}", "activation", (steps, hidden), "TF"))
        self.sites = (*sites, Site("head", "activation", (1, hidden), "TF"))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = noise("input", x)
        for i, layer in enumerate(self.layers):
            x = layer(x, noise.steps(f"recurrent.{i}"))
            if i < len(self.layers) - 1:
                x = noise(f"hidden.{i}", x)
        x = x[:, :, -1:] if self.readout == "last" else x.mean(2, keepdim=True)
        x = noise("head", x)
        logits: Tensor = self.head(x.squeeze(2))
        return logits
