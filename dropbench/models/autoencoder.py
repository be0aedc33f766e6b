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
    """Dense layers down to a code, their mirror image, and a linear output: the input again, as it was before any noise.

    Vincent et al. 2008 (ICML) and 2010 (JMLR 11): the input is corrupted in training, and the clean one is to be put out.
    `dropout.placement=input` corrupts it. Their masking noise sets numbers to zero and scales nothing, then or later, which
    here is `dropout=unscaled`; `standard` keeps the mean of what is left besides, and `gaussian` multiplies. Zero is the mean
    of the normalised input. Encoder and decoder do not share weights.

    Sites: `input` (F), `hidden.i` after each hidden layer (F), and the weights of each, `hidden.i.weight` (IO).
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
        """x [K, B, *shape] to its reconstruction, of the same shape."""
        hidden = noise("input", x)
        for block in self.hidden:
            hidden = block(hidden, noise)
        out: Tensor = self.output(hidden)
        return out
