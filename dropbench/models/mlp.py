"""The multi-layer perceptron."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen
from torch import Tensor, nn

from dropbench.models.block import BatchNormPlace, DenseBlock, Positive
from dropbench.models.embedded import NumEmbed, Scale, embedding
from dropbench.nn.activation import Activation
from dropbench.nn.linear import Linear
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class MLP(nn.Module):
    """Hidden layers of the given widths, then a linear read-out.

    Sites: `input` (F), `hidden.i` after each hidden layer (F), and the weights of each, `hidden.i.weight` (IO).

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        Shape of one example.
    n_classes : int
        Logits of one example.
    widths : list of int
        Units of each hidden layer.
    activation : str
        Of every hidden layer.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        Where batch norm comes, if at all.
    num_embed : {"plr", "pbld"}, optional
        How numbers are embedded before the first layer (categories are not): see `nn.numeric`. None: as they are.
    embed_size, frequencies, frequency_scale : optional
        Of the embedding; None: as in `nn.numeric.DEFAULTS`.
    """

    stacked = True
    eats = ("flat",)

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        widths: Annotated[list[Positive], MinLen(1)],
        activation: Activation = "relu",
        batch_norm: BatchNormPlace = "none",
        num_embed: NumEmbed = None,
        embed_size: Positive | None = None,
        frequencies: Positive | None = None,
        frequency_scale: Scale | None = None,
    ) -> None:
        super().__init__()
        inputs = math.prod(shape)
        self.embed = embedding(replicas, shape, inputs, num_embed, embed_size, frequencies, frequency_scale)
        self.held = 0 if self.embed is None else self.embed.held
        features = [inputs if self.embed is None else self.embed.outputs, *widths]
        readers = [*(f"hidden.{i}.linear.weight" for i in range(len(widths))), "head.weight"]
        self.hidden = nn.ModuleList(
            DenseBlock(replicas, f"hidden.{i}", inputs, outputs, activation, batch_norm, readers[i + 1])
            for i, (inputs, outputs) in enumerate(itertools.pairwise(features))
        )
        self.head = Linear(replicas, features[-1], n_classes)
        reader = readers[0] if self.embed is None else None
        self.sites = (Site("input", "activation", (inputs,), "F", reader=reader), *block_sites(self.hidden))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, F] to logits [K, B, n_classes]."""
        x = noise("input", x)
        if self.embed is not None:
            x = self.embed(x)
        for block in self.hidden:
            x = block(x, noise)
        logits: Tensor = self.head(x)
        return logits


def block_sites(blocks: Sequence[nn.Module] | nn.ModuleList) -> list[Site]:
    """The sites of a chain of blocks, in order."""
    return [site for block in blocks if isinstance(block, DenseBlock) for site in block.sites]
