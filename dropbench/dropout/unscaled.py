"""Unscaled dropout: a famous bug, for teaching."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dropbench.dropout.base import Variant, kept_levels, one_where_kept
from dropbench.sites import Kind, Site


class Unscaled(Variant):
    """A bug, kept to be measured: elements are dropped in training, and nothing is scaled there or at evaluation.

    Srivastava et al. 2014 (JMLR 15, section 4) scale at evaluation (`classic`), libraries in training (`standard`). Home-made
    dropout forgets both: the units of the next layer then see inputs that are larger by 1 / (1 - rate) in evaluation than
    those that they were trained on. Batch norm after it hides a part of the harm. Do not use it to train anything.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"activation"})

    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *site.shape)

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        return one_where_kept(noise, kept_levels(rate), dtype)
