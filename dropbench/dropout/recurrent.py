"""Recurrent dropout: on the hidden-to-hidden path, or on the update that a gated cell adds to its state."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site

_KIND: dict[str, Kind] = {"state": "recurrent", "candidate": "candidate"}


class RecurrentDropout(Variant):
    """Drops units inside a recurrent layer, with one mask per sequence that is the same at every step.

    `where=state` drops units of the state before the next step's hidden-to-hidden product. This is the hidden-to-hidden part
    of Gal & Ghahramani 2016 (arXiv:1512.05287, section 4.1); `locked` drops inputs and outputs as well. `each_step` draws a
    new mask at every step instead. Zaremba et al. 2014 (arXiv:1409.2329) advise against this naive kind; it is here to show
    the harm. Over T steps of a linear path, unscaled masks shrink a state on average to keep^T if each step has its own
    mask, and to keep if all steps share one. With the scaling used here these factors become 1 and keep^(1 - T): a fixed
    mask amplifies what it keeps, and only the saturation of the cell bounds the state.

    `where=candidate` follows Semeniuta et al. 2016 (arXiv:1603.05118, section 3), for LSTM and GRU. Only the update of a
    step is dropped: c_t = f c_{t-1} + i d(g), h_t = (1 - z) h_{t-1} + z d(n) with z the update gate. What the state holds is
    kept, so no memory is lost, whether a mask is drawn at each step (`each_step`) or once per sequence. The paper reports
    both.

    Masks are scaled by 1 / keep, so evaluation is the identity. The rate is the probability that a unit is dropped.

    Keras' `recurrent_dropout` is `where=state` with a fixed mask; its LSTM and GRU have one mask for each gate. "Recurrent
    dropout" in TensorFlow's LayerNormBasicLSTMCell is `where=candidate` with a mask at each step. torch's
    `nn.LSTM(dropout=)` acts between layers, never inside one. Merity et al. 2017 drop the hidden-to-hidden weights:
    `weight_drop`.
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
