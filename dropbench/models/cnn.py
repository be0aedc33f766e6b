"""A plain convolutional network."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal

from annotated_types import MinLen
from torch import Tensor, nn

from dropbench.errors import UsageError
from dropbench.models.block import BatchNormPlace, DenseBlock, NormKind, Positive, made_norm, one_form, placed
from dropbench.nn.activation import Activation, function, gain, monotone
from dropbench.nn.conv import Conv2d, pool2d
from dropbench.nn.linear import Linear
from dropbench.sites import Site
from dropbench.sites.noise import Noise

Pooling = Literal["max", "avg", "none"]


class CNN(nn.Module):
    """Convolution blocks that halve the map while its sides are at least 2, then dense layers and a linear read-out.

    Sites: `input` (CHW), `conv.i` after each block (CHW), `head.i` after each dense layer (F), `head.i.weight` (IO).

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        (C, H, W).
    n_classes : int
        Number of logits per example.
    channels : list of int
        Channels of each block.
    kernel : int
        Side of the kernels, an odd number.
    pooling : {"max", "avg", "none"}
        How a block halves the map; "none" keeps its size.
    head_widths : list of int
        Units of the dense layers; may be empty.
    activation : str
        Activation of every block and dense layer.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        The place of batch norm in each layer.
    norm : {"none", "batch", "layer", "group"}, optional
        Normalisation before each activation in place of `batch_norm`. Layer norm normalises over all channels and positions
        of a map; group norm has groups of 16 channels if 16 divides their number.

    Raises
    ------
    UsageError
        If `kernel` is even, or for two kinds of normalisation.
    """

    stacked = True
    eats = ("image",)
    one_form = staticmethod(one_form)

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        channels: Annotated[list[Positive], MinLen(1)],
        kernel: Positive = 3,
        pooling: Pooling = "max",
        head_widths: list[Positive],
        activation: Activation = "relu",
        batch_norm: BatchNormPlace = "none",
        norm: NormKind | None = None,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UsageError(
                f"model.kernel={kernel}: the map must keep its size, which needs an odd kernel; try {kernel + 1}"
            )
        readers = [f"blocks.{i}.conv.weight" for i in range(len(channels))]
        readers += [*(f"dense.{i}.linear.weight" for i in range(len(head_widths))), "head.weight"]
        sites = [Site("input", "activation", tuple(shape), "CHW", reader=readers[0])]
        self.blocks = nn.ModuleList()
        for i, width in enumerate(channels):
            reader = readers[i + 1]
            block = ConvBlock(
                replicas, f"conv.{i}", shape, width, kernel, pooling, activation, batch_norm, reader, norm
            )
            self.blocks.append(block)
            shape = block.site.shape
            sites.append(block.site)
        features = [math.prod(shape), *head_widths]
        self.dense = nn.ModuleList()
        for i, (inputs, outputs) in enumerate(itertools.pairwise(features)):
            reader = readers[len(channels) + i + 1]
            dense = DenseBlock(replicas, f"head.{i}", inputs, outputs, activation, batch_norm, reader, norm=norm)
            self.dense.append(dense)
            sites.extend(dense.sites)
        self.head = Linear(replicas, features[-1], n_classes)
        self.sites = tuple(sites)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps images x [K, B, C, H, W] to logits [K, B, n_classes]."""
        x = noise("input", x)
        for block in self.blocks:
            x = block(x, noise)
        x = x.movedim(2, -1).flatten(2)  # channels last, which is the memory layout of maps
        for dense in self.dense:
            x = dense(x, noise)
        logits: Tensor = self.head(x)
        return logits


class ConvBlock(nn.Module):
    """Convolution, activation, pooling, batch norm and noise: x [K, B, C, H, W] to [K, B, O, H', W']."""

    def __init__(
        self,
        replicas: int,
        name: str,
        shape: tuple[int, ...],
        outputs: int,
        kernel: int,
        pooling: Pooling,
        activation: Activation,
        batch_norm: BatchNormPlace,
        reader: str,
        norm: NormKind | None = None,
    ) -> None:
        super().__init__()
        batch_norm, kind = placed(batch_norm, norm)
        channels, height, width = shape
        self.conv = Conv2d(replicas, channels, outputs, kernel, gain(activation))
        self.activation = function(activation)
        self.pooling = pooling if min(height, width) >= 2 else "none"
        self.pool_first = self.pooling == "max" and monotone(activation)
        self.batch_norm = batch_norm
        self.norm = made_norm(kind, replicas, outputs)
        halved = (height, width) if self.pooling == "none" else (height // 2, width // 2)
        # An average of activations has another distribution than the activation's output.
        averaged = self.pooling == "avg" or batch_norm == "after_activation"
        self.site = Site(
            name,
            "activation",
            (outputs, *halved),
            "CHW",
            reader=None if batch_norm == "after_dropout" else reader,
            follows=None if averaged else activation,
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, C, H, W] to [K, B, O, H', W']; H' is H / 2, rounded down, if the block pools."""
        x = self.conv(x)
        if self.norm is not None and self.batch_norm == "before_activation":
            x = self.norm(x)
        x = self.activation(self._pool(x)) if self.pool_first else self._pool(self.activation(x))
        if self.norm is not None and self.batch_norm == "after_activation":
            x = self.norm(x)
        x = noise(self.site.name, x)
        return self.norm(x) if self.norm is not None and self.batch_norm == "after_dropout" else x

    def _pool(self, x: Tensor) -> Tensor:
        return x if self.pooling == "none" else pool2d(x, self.pooling)
