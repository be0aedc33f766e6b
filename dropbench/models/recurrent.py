"""The recurrent layers that models share, with their sites."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dropbench.nn.recurrent import GATES, Cell, CellNoise, Recurrent, State
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class RecurrentLayers(nn.ModuleList):
    """Layers of one cell over [K, B, T, I], one on the other.

    Sites of layer i: `recurrent.i.weight`, its hidden-to-hidden weights (IO), met once a sequence; `recurrent.i`, the state
    that they multiply (TF); of LSTM and GRU `recurrent.i.candidate`, what they would add to their state (TF);
    `recurrent.i.hidden`, and of LSTM `recurrent.i.cell`, the step from the old state to the new (TF); and `hidden.i`, what
    it hands to the layer above, if there is one (TF).
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
        """The top layer's states [K, B, T, H], and the last state of each; `starts` are those before the first step."""
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
    """The function that a layer's states come out of; those of LSTM and GRU come out of a product or a mean."""
    return "tanh" if cell == "vanilla" else None
