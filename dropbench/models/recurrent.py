"""A stack of recurrent layers with their sites, shared by models."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dropbench.nn.recurrent import GATES, Cell, CellNoise, Recurrent, State
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class RecurrentLayers(nn.ModuleList):
    """Stacked recurrent layers of one kind: maps x [K, B, T, I] to the states of the top layer, [K, B, T, H].

    Sites of layer i: `recurrent.i.weight`, its hidden-to-hidden weights (IO), with one draw per sequence; `recurrent.i`, the
    state that these weights multiply (TF); in an LSTM or a GRU, `recurrent.i.candidate`, the update of the state (TF);
    `recurrent.i.hidden`, and in an LSTM `recurrent.i.cell`, the transition from the old state to the new (TF); and
    `hidden.i`, the output for the layer above, if there is one (TF).

    Parameters
    ----------
    replicas, inputs, hidden : int
        K, I and H.
    cell : {"vanilla", "lstm", "gru"}
        Kind of the layers.
    layers, steps : int
        Number of layers, and T.
    """

    def __init__(self, replicas: int, inputs: int, hidden: int, cell: Cell, layers: int, steps: int) -> None:
        super().__init__(Recurrent(replicas, hidden if i else inputs, hidden, cell) for i in range(layers))
        self.sites: list[Site] = []
        for i in range(layers):
            name = f"recurrent.{i}"
            self.sites.append(Site(f"{name}.weight", "recurrent_weight", (hidden, GATES[cell] * hidden), "IO"))
            self.sites.append(Site(name, "recurrent", (steps, hidden), "TF"))
            if cell != "vanilla":
                self.sites.append(Site(f"{name}.candidate", "candidate", (steps, hidden), "TF"))
            self.sites.append(Site(f"{name}.hidden", "transition", (steps, hidden), "TF"))
            if cell == "lstm":
                self.sites.append(Site(f"{name}.cell", "transition", (steps, hidden), "TF"))
            if i < layers - 1:
                above = f"layers.{i + 1}.weight_input"
                self.sites.append(
                    Site(f"hidden.{i}", "activation", (steps, hidden), "TF", reader=above, follows=output_of(cell))
                )

    def forward(self, x: Tensor, noise: Noise, starts: Sequence[State | None]) -> tuple[Tensor, list[State]]:
        """Returns the top layer's states [K, B, T, H] and each layer's state after the last step.

        Parameters
        ----------
        x : Tensor
            [K, B, T, I].
        noise : Noise
            The noise at the sites.
        starts : sequence of (Tensor, Tensor) or None
            The state of each layer before the first step; None for zeros.
        """
        ends = []
        for i, (layer, start) in enumerate(zip(self, starts, strict=True)):
            assert isinstance(layer, Recurrent)
            name = f"recurrent.{i}"
            weight = noise(f"{name}.weight", layer.weight_hidden)
            gated = layer.cell != "vanilla"
            inside = CellNoise(
                state=noise.steps(name),
                candidate=noise.steps(f"{name}.candidate") if gated else None,
                hidden=noise.transition(f"{name}.hidden"),
                cell=noise.transition(f"{name}.cell") if layer.cell == "lstm" else None,
            )
            x, end = layer(x, inside, start=start, weight_hidden=weight)
            ends.append(end)
            if i < len(self) - 1:
                x = noise(f"hidden.{i}", x)
        return x, ends


def output_of(cell: Cell) -> str | None:
    """Returns the activation that gives a layer's states; None for LSTM and GRU, whose states are products or means."""
    return "tanh" if cell == "vanilla" else None
