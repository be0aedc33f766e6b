"""Recurrent dropout, on the hidden-to-hidden path."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dropbench.dropout.base import Variant, keep_mask
from dropbench.sites import Kind, Site


class RecurrentDropout(Variant):
    """The state that a recurrent layer hands to its next step is dropped: one mask a sequence, the same at every step.

    Gal & Ghahramani 2016 (arXiv:1512.05287, section 4.1), the hidden-to-hidden part of it alone; `locked` has the inputs and
    outputs too. `each_step` draws a new mask at every step instead: the naive kind that Zaremba et al. 2014
    (arXiv:1409.2329) advise against, to show the harm. Over T steps of a linear path unscaled masks shrink a state to keep^T
    on average if each step has its own, to keep if they share one. The scaling that is used here makes these 1 and
    keep^(1 - T): a fixed mask amplifies what it keeps, and it is the saturation of the cell that bounds it.

    Keras' `recurrent_dropout` is the fixed kind. torch's `nn.LSTM(dropout=)` acts between layers, never here. Semeniuta et al.
    2016 (arXiv:1603.05118) drop the LSTM's candidate update instead of the state: another place in the cell, which has no site
    yet. Merity et al. 2017 drop the hidden-to-hidden weights: `weight_drop`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"recurrent"})

    def __init__(self, *, each_step: bool = False) -> None:
        self.each_step = each_step

    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        steps, features = site.shape
        return (batch, steps if self.each_step else 1, features)

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        return keep_mask(noise, rate, dtype)
