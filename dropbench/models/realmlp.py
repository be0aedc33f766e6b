"""RealMLP: a multi-layer perceptron for tables, with defaults tuned on many tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, cast

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from dropbench.models.block import DenseBlock, Positive
from dropbench.models.embedded import NumEmbed, Scale, embedding
from dropbench.models.mlp import block_sites
from dropbench.nn import columns, data_start
from dropbench.nn.activation import Activation, Parametric
from dropbench.nn.init import Draw
from dropbench.nn.linear import Linear
from dropbench.nn.numeric import numbers_in
from dropbench.nn.pace import Pace
from dropbench.sites import Site
from dropbench.sites.noise import Noise

_SLOW, _FAST = 0.1, 6.0
"""Factors of the learning rate: _SLOW for embeddings, biases and shares of activations; _FAST for the scale of inputs."""


class RealMLP(nn.Module):
    """The network of RealMLP-TD, for use with `train=realmlp`.

    Numbers are embedded (pbld). A category becomes one input, one-hot inputs or an embedding, depending on its number of
    levels. Each input has a learned scale, and each unit a learned share of its activation. Initial weights and biases give
    each unit variance 1 over the training examples and a zero within their range. Parameters have their own learning rates.
    Those of weights follow the neural tangent parametrisation: with Adam and AdamW the learning rate is divided by the
    square root of the number of a layer's inputs (sgd would need another factor). Use it with data.scale=squash and
    train=realmlp.

    Sites: `input` (F), `hidden.i` after each hidden layer (F), and the layer's weights, `hidden.i.weight` (IO).

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        Shape of one example. For a table its attributes `numbers` and `levels` say what each input is.
    n_classes : int
        Number of outputs per example.
    widths : list of int
        Units of each hidden layer.
    activation : str
        Activation of every hidden layer: selu for classification, mish for regression.
    num_embed : {"pbld", "plr"}, optional
        How numbers are embedded: see `nn.numeric`. None: not at all.
    embed_size, frequencies, frequency_scale : optional
        Options of the embedding; None: as in `nn.numeric.DEFAULTS`.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart 2024, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data"
    (arXiv:2407.04491), and its authors' package pytabkit.
    """

    stacked = True
    eats = ("flat",)
    recipes = ("realmlp", "realmlp_numbers")

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        widths: Annotated[list[Positive], MinLen(1)],
        activation: Activation = "selu",
        num_embed: NumEmbed = "pbld",
        embed_size: Positive | None = None,
        frequencies: Positive | None = None,
        frequency_scale: Scale | None = None,
    ) -> None:
        super().__init__()
        inputs, levels = math.prod(shape), cast("Sequence[int]", getattr(shape, "levels", ()))
        self._plain = inputs - sum(levels)  # numbers and flags
        sizes = (embed_size, frequencies, frequency_scale)
        kind = num_embed if numbers_in(shape) or any(sizes) else None  # a table of categories only is allowed
        self.embed = embedding(replicas, shape, self._plain, kind, *sizes)
        self.held = 0 if self.embed is None else self.embed.held
        self.categories = columns.Categories(replicas, levels) if levels else None
        seen = self._plain if self.embed is None else self.embed.outputs
        seen += 0 if self.categories is None else self.categories.outputs
        self.scale = columns.Scale(replicas, seen)
        self.hidden = nn.ModuleList(
            DenseBlock(replicas, f"hidden.{i}", before, after, activation, "none", reader, parametric=True)
            for i, (before, after, reader) in enumerate(_layers(seen, widths))
        )
        self.head = Linear(replicas, widths[-1], n_classes)
        self.sites = (Site("input", "activation", (inputs,), "F"), *block_sites(self.hidden))
        self._set_paces()

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, F] to logits [K, B, n_classes]."""
        x = self._seen(noise("input", x))
        for block in self.hidden:
            x = block(x, noise)
        logits: Tensor = self.head(x)
        return logits

    @torch.no_grad()
    def start_from(self, x: Tensor, draw: Draw) -> None:
        """Fits the initial weights and biases of all layers to training examples x [K, n, F], without noise."""
        x = self._seen(x)
        for block in self._blocks():
            x = block.activation(data_start.start(block.linear, x, draw))
        data_start.start(self.head, x, draw)

    def _seen(self, x: Tensor) -> Tensor:
        """Returns the inputs of the first layer."""
        plain, levels = x.split([self._plain, x.shape[-1] - self._plain], -1)
        if self.embed is not None:
            plain = self.embed(plain)
        if self.categories is not None:
            plain = torch.cat([plain, self.categories(levels).to(plain.dtype)], -1)
        scaled: Tensor = self.scale(plain)
        return scaled

    def _blocks(self) -> list[DenseBlock]:
        return [cast("DenseBlock", block) for block in self.hidden]

    def _set_paces(self) -> None:
        self.scale.paces = {"weight": Pace(lr=_FAST)}
        if self.embed is not None:
            self.embed.paces = {name: Pace(lr=_SLOW) for name, _ in self.embed.named_parameters()}
        for block in self._blocks():
            cast("Parametric", block.activation).paces = {"share": Pace(lr=_SLOW)}
        for layer in (*(block.linear for block in self._blocks()), self.head):
            root = math.sqrt(layer.weight.shape[1])
            # The product of the two factors is 1, so a weight decays as the learning rate alone says.
            layer.paces = {"weight": Pace(1 / root, root), "bias": Pace(_SLOW, 0.0)}


def _layers(inputs: int, widths: Sequence[int]) -> list[tuple[int, int, str]]:
    """Returns the inputs and units of each hidden layer, and the name of the weights that read its output."""
    readers = [*(f"hidden.{i}.linear.weight" for i in range(1, len(widths))), "head.weight"]
    return [
        (before, after, reader)
        for (before, after), reader in zip(itertools.pairwise([inputs, *widths]), readers, strict=True)
    ]
