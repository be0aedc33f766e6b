"""The multi-layer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.block import BatchNormPlace, DenseBlock, NormKind, Positive, one_form
from dropbench.models.embedded import NumEmbed, Scale, embedding
from dropbench.models.two_branches import TwoBranches
from dropbench.nn.activation import Activation
from dropbench.nn.linear import Linear
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.values import written


class MLP(nn.Module):
    """Hidden layers of the given widths, then a linear read-out.

    Sites: `input` (F), `hidden.i` after each hidden layer (F), and the layer's weights, `hidden.i.weight` (IO). With `skip`,
    each hidden layer whose input is added to its output also has `hidden.i.branch` (F). With `two_branches` there are two
    such layers in its place, `hidden.i.first` and `hidden.i.second`, and the site `hidden.i.pair` for both together (PF).

    At some sites noise does harm and acts only on request: `hidden.i.before`, before the activation (F); with `skip`,
    `hidden.i.skip`, the shortcut past a hidden layer (F); and `output`, the logits (F).

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        Shape of one example.
    n_classes : int
        Number of logits per example.
    widths : list of int
        Units of each hidden layer.
    activation : str
        Activation of every hidden layer.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        The place of batch norm in each layer.
    num_embed : {"plr", "pbld"}, optional
        How numbers (not categories) are embedded before the first layer: see `nn.numeric`. None: not at all.
    embed_size, frequencies, frequency_scale : optional
        Options of the embedding; None: as in `nn.numeric.DEFAULTS`.
    norm : {"none", "batch", "layer", "group"}, optional
        Normalisation before each activation in place of `batch_norm`; group norm has groups of 16 units if 16 divides their
        number.
    skip : bool, optional
        Whether a hidden layer as wide as the one before it becomes x + f(x): a residual network of dense layers (He et al.
        2016, arXiv:1512.03385).
    two_branches : bool, optional
        Whether f(x) is the mean of two hidden layers with their own weights; needs `skip`.

    Raises
    ------
    UsageError
        For two kinds of normalisation, for `skip` if no two neighbouring layers have the same width, and for `two_branches`
        without `skip`.
    """

    stacked = True
    eats = ("flat",)
    one_form = staticmethod(one_form)

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
        norm: NormKind | None = None,
        skip: bool | None = None,
        two_branches: bool | None = None,
    ) -> None:
        super().__init__()
        inputs = math.prod(shape)
        self.embed = embedding(replicas, shape, inputs, num_embed, embed_size, frequencies, frequency_scale)
        self.held = 0 if self.embed is None else self.embed.held
        features = [inputs if self.embed is None else self.embed.outputs, *widths]
        readers = [*(f"hidden.{i}.linear.weight" for i in range(len(widths))), "head.weight"]
        self.skips = [bool(skip) and i > 0 and width == widths[i - 1] for i, width in enumerate(widths)]
        if skip and not any(self.skips):
            near = [widths[0], *widths[:1], *widths[2:]]
            raise UsageError(
                f"model.skip=true model.widths={written(list(widths))}: a shortcut needs two hidden layers in a row with "
                f"the same width; try model.widths={written(near)}"
            )
        if two_branches and not skip:
            raise UsageError(
                "model.two_branches=true: branches need a shortcut, and this network has none; add model.skip=true"
            )

        def layer(name: str, i: int) -> DenseBlock:
            reader = None if skip else readers[i + 1]
            return DenseBlock(replicas, name, features[i], widths[i], activation, batch_norm, reader, norm=norm)

        def block(i: int) -> DenseBlock | TwoBranches:
            name = f"hidden.{i}"
            if not (two_branches and self.skips[i]):
                return layer(name, i)
            return TwoBranches(name, (widths[i],), "F", layer(f"{name}.first", i), layer(f"{name}.second", i))

        self.hidden = nn.ModuleList(block(i) for i in range(len(widths)))
        self.head = Linear(replicas, features[-1], n_classes)
        reader = readers[0] if self.embed is None else None
        branches = [i for i, skips in enumerate(self.skips) if skips]
        self.sites = (
            Site("input", "activation", (inputs,), "F", reader=reader),
            *block_sites(self.hidden),
            *(
                Site(f"hidden.{i}.branch", "branch", (widths[i],), "F", depth=(at + 1) / len(branches))
                for at, i in enumerate(branches)
            ),
            *(Site(f"hidden.{i}.skip", "activation", (widths[i],), "F", asked=True) for i in branches),
            Site("output", "activation", (n_classes,), "F", asked=True),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, F] to logits [K, B, n_classes]."""
        x = noise("input", x)
        if self.embed is not None:
            x = self.embed(x)
        for i, (block, skips) in enumerate(zip(self.hidden, self.skips, strict=True)):
            if skips:
                branch = noise.branch(f"hidden.{i}.branch", block, x)
                x = noise(f"hidden.{i}.skip", x) + branch.to(x.dtype)
            else:
                x = block(x, noise)
        logits: Tensor = self.head(x)
        return noise("output", logits)


def block_sites(blocks: Sequence[nn.Module] | nn.ModuleList) -> list[Site]:
    """Returns the sites of a sequence of blocks, in order."""
    found: list[Site] = []
    for block in blocks:
        if isinstance(block, DenseBlock):
            found += block.sites
        elif isinstance(block, TwoBranches):
            found += [*block_sites([block.first, block.second]), block.site]
    return found
