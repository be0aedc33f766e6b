"""Dropout of attention weights."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant
from dropbench.sites import Kind


class AttentionDropout(Variant):
    """Attention weights are dropped one by one after the softmax, and so is the hidden layer of a feed-forward block.

    The weights as in the code of Vaswani et al. 2017 (arXiv:1706.03762) and in torch's `nn.MultiheadAttention(dropout=)`,
    `scaled_dot_product_attention(dropout_p=)` and Keras' `MultiHeadAttention(dropout=)`; the hidden layer as in
    `nn.TransformerEncoderLayer`. What is kept is scaled by 1 / (1 - rate), so the weights of a query add up to 1 on average
    only: nothing normalises them again. `dropout.placement` chooses one of the two, `["*.attention"]` or `["*.feedforward"]`.

    The paper's text has dropout elsewhere, on the output of each sublayer and on the embeddings (its section 5.4):
    `standard` at `*.output` and `embedded`. `standard` acts on the hidden layers too, not on attention weights.

    Off in evaluation, which torch's function does not know of: it drops whenever `dropout_p` is above 0.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"attention", "feedforward"})
