"""Recurrent dropout: on the hidden-to-hidden path, or on what a gated cell adds to its state."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site

_KIND: dict[str, Kind] = {"state": "recurrent", "candidate": "candidate"}


class RecurrentDropout(Variant):
    """Dropout inside a recurrent layer, one mask a sequence, the same at every step.

    `where=state`: the state that a layer hands to its next step's product. Gal & Ghahramani 2016 (arXiv:1512.05287, section
    4.1), the hidden-to-hidden part of it alone; `locked` has the inputs and outputs too. `each_step` draws a new mask at
    every step instead: the naive kind that Zaremba et al. 2014 (arXiv:1409.2329) advise against, to show the harm. Over T steps
    of a linear path unscaled masks shrink a state to keep^T on average if each step has its own, to keep if they share one.
    The scaling that is used here makes these 1 and keep^(1 - T): a fixed mask amplifies what it keeps, and it is the
    saturation of the cell that bounds it.

    `where=candidate`: Semeniuta et al. 2016 (arXiv:1603.05118, section 3), of LSTM and GRU: only what the step would add is
    dropped, c_t = f c_{t-1} + i d(g), h_t = (1 - z) h_{t-1} + z d(n) with z the update gate, so that what the state holds is
    left alone and no memory is lost, with a mask a step (`each_step`) as with one a sequence. They report both.

    Evaluation: nothing, as masks are scaled by 1 / keep. The rate is the chance of a unit to be dropped.

    Keras' `recurrent_dropout` is the fixed kind of `where=state`, in its LSTM and GRU with a mask for each gate; "recurrent
    dropout" of TensorFlow's LayerNormBasicLSTMCell is Semeniuta's with a mask a step. torch's `nn.LSTM(dropout=)` acts between
    layers, never here. Merity et al. 2017 drop the hidden-to-hidden weights: `weight_drop`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset(_KIND.values())

    def __init__(self, *, where: Literal["state", "candidate"] = "state", each_step: bool = False) -> None:
        self.where = where
        self.each_step = each_step

    @override
    def supports(self, site: Site) -> str | None:
        if site.kind == _KIND[self.where]:
            return None
        return f"with where={self.where} acts on {_KIND[self.where]} sites, and {site.name} is of kind {site.kind}"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        steps, features = site.shape
        return (batch, steps if self.each_step else 1, features)
