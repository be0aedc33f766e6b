"""A denoising autoencoder."""

from __future__ import annotations

import itertools
import math
from typing import Annotated

from annotated_types import MinLen
from torch import Tensor, nn

from dropbench.models.block import BatchNormPlace, DenseBlock, Positive
from dropbench.models.mlp import block_sites
from dropbench.nn.activation import Activation
from dropbench.nn.linear import Linear
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class Autoencoder(nn.Module):
    """Dense layers down to a code, their mirror image and a linear output, trained to reconstruct the input without noise.

    `dropout.placement=input` corrupts the input in training, which makes it a denoising autoencoder. The masking noise of
    Vincent et al. sets inputs to zero and scales nothing, in training or in evaluation: that is `dropout=unscaled`.
    `standard` also scales the kept inputs, to preserve the mean, and `gaussian` multiplies by normal numbers. Zero is the
    mean of the normalised input. Encoder and decoder do not share weights.

    Sites: `input` (F), `hidden.i` after each hidden layer (F), and the layer's weights, `hidden.i.weight` (IO).

    Parameters
    ----------
    replicas : int
        K.
    shape : tuple of int
        Shape of one example.
    n_classes : int
        Not used.
    widths : list of int
        Units of the encoder's layers; the last one is the code.
    activation : str
        Activation of every hidden layer.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        The place of batch norm in each layer.

    References
    ----------
    Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders" (ICML), and 2010 (JMLR 11).
    """

    stacked = True
    eats = ("flat",)
    task = "reconstruct"

    def __init__(
        self,
        replicas: int,
        shape: tuple[int, ...],
        n_classes: int,
        *,
        widths: Annotated[list[Positive], MinLen(1)],
        activation: Activation = "relu",
        batch_norm: BatchNormPlace = "none",
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        features = [size, *widths, *widths[-2::-1]]
        hidden = len(features) - 1
        readers = [*(f"hidden.{i}.linear.weight" for i in range(hidden)), "output.weight"]
        self.hidden = nn.ModuleList(
            DenseBlock(replicas, f"hidden.{i}", inputs, outputs, activation, batch_norm, readers[i + 1])
            for i, (inputs, outputs) in enumerate(itertools.pairwise(features))
        )
        self.output = Linear(replicas, features[-1], size)
        self.sites = (Site("input", "activation", (size,), "F", reader=readers[0]), *block_sites(self.hidden))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, F] to its reconstruction, of the same shape."""
        hidden = noise("input", x)
        for block in self.hidden:
            hidden = block(hidden, noise)
        out: Tensor = self.output(hidden)
        return out
