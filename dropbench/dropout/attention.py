"""Dropout of attention weights."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant
from dropbench.sites import Kind


class AttentionDropout(Variant):
    """Drops single attention weights after the softmax, and single units of the hidden layer of feed-forward blocks.

    On attention weights it does what the code of Vaswani et al. 2017 (arXiv:1706.03762), torch's
    `nn.MultiheadAttention(dropout=)` and `scaled_dot_product_attention(dropout_p=)` and Keras'
    `MultiHeadAttention(dropout=)` do; on the hidden layer, what `nn.TransformerEncoderLayer` does. Kept elements are scaled
    by 1 / (1 - rate). The weights of a query are not normalised again, so they add up to 1 only on average.
    `dropout.placement` chooses one of the two, `["*.attention"]` or `["*.feedforward"]`.

    The paper's text (section 5.4) puts dropout elsewhere: on the output of each sublayer and on the embeddings. That is
    `standard` at `*.output` and `embedded`. `standard` also acts on the hidden layers, but not on attention weights.

    It is off in evaluation. torch's function has no evaluation mode: it drops whenever `dropout_p` is above 0.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"attention", "feedforward"})
