"""The networks of the workloads in plain torch.nn.

Initial weights have the distributions that dropbench uses (He et al. 2015 before a ReLU, LeCun 1998 elsewhere, orthogonal
hidden-to-hidden matrices, forget-gate biases of 1). With torch's default initial weights, training would differ within a few
epochs, and final accuracies could not be compared. Either kind takes milliseconds per run.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.workloads import Net

Size = tuple[int, int, int]
"""Channels, height and width of an image."""


def network(net: Net, shape: Size, classes: int, rate: float) -> nn.Module:
    """Return the module of a network with its initial weights; it maps images [B, C, H, W] to logits [B, classes]."""
    module = _module(net, shape, classes, rate)
    start(module)
    return module


def _module(net: Net, shape: Size, classes: int, rate: float) -> nn.Module:
    channels, height, width = shape
    if net.kind in ("gru", "lstm"):
        return RowReader(net.kind, channels * width, net.hidden, classes, rate)
    layers: list[nn.Module] = []
    for outputs in net.channels:
        convolution = nn.Conv2d(channels, outputs, 3, padding=1)
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(rate)]
        channels, height, width = outputs, height // 2, width // 2
    layers.append(nn.Flatten())
    features = channels * height * width
    for outputs in net.widths:
        layers += [nn.Linear(features, outputs), nn.ReLU(), nn.Dropout(rate)]
        features = outputs
    return nn.Sequential(*layers, nn.Linear(features, classes))


class RowReader(nn.Module):
    """A recurrent layer over an image's rows with one mask per sequence: a loop over time, because torch has no such layer."""

    def __init__(self, cell: str, inputs: int, hidden: int, classes: int, rate: float) -> None:
        super().__init__()
        self.layer = MaskedCell(cell, inputs, hidden, rate)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images x [B, C, H, W] to logits [B, classes]."""
        rows = x.transpose(1, 2).flatten(2)
        logits: Tensor = self.head(self.layer(rows)[:, -1])
        return logits


class MaskedCell(nn.Module):
    """A recurrent layer with a mask on the state that the hidden-to-hidden weights multiply (Gal and Ghahramani 2016).

    The products with the input are computed for all steps at once, so that the comparison is with a well-written loop.
    """

    def __init__(self, cell: str, inputs: int, hidden: int, rate: float) -> None:
        super().__init__()
        self.cell, self.hidden = cell, hidden
        self.mask = nn.Dropout(rate)
        gates = hidden * {"gru": 3, "lstm": 4}[cell]
        self.input = nn.Linear(inputs, gates)
        self.recurrent = nn.Linear(hidden, gates)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, T, I] to the states of all steps, [B, T, H]."""
        projected = self.input(x)
        state = memory = x.new_zeros(len(x), self.hidden)
        mask = self.mask(torch.ones_like(state))
        states = []
        for t in range(x.shape[1]):
            gates, inner = projected[:, t], self.recurrent(state * mask)
            if self.cell == "lstm":
                i, f, g, o = (gates + inner).chunk(4, 1)
                memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
                state = torch.sigmoid(o) * torch.tanh(memory)
            else:
                (xr, xz, xn), (hr, hz, hn) = gates.chunk(3, 1), inner.chunk(3, 1)
                update = torch.sigmoid(xz + hz)
                new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
                state = new + update * (state - new)
            states.append(state)
        return torch.stack(states, 1)


@torch.no_grad()
def start(net: nn.Module) -> None:
    """Draw the initial weights of every layer, by the rules at the top of this file."""
    dense = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    for layer in dense:
        gain = "linear" if layer is dense[-1] or isinstance(net, RowReader) else "relu"
        nn.init.kaiming_uniform_(layer.weight, nonlinearity=gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for layer in (m for m in net.modules() if isinstance(m, MaskedCell)):
        for block in layer.recurrent.weight.split(layer.hidden):
            nn.init.orthogonal_(block)
        if layer.cell == "lstm":
            nn.init.ones_(layer.input.bias[layer.hidden : 2 * layer.hidden])
