"""Standard (inverted) dropout."""

from __future__ import annotations

from dropbench.dropout.base import Variant


class Standard(Variant):
    """Each element is dropped by itself, and what is kept is scaled by 1 / (1 - rate) in training.

    Hinton et al. 2012 (arXiv:1207.0580); Srivastava et al. 2014 (JMLR 15, section 4), whose original scaled the weights at
    test time instead. What torch calls `nn.Dropout`, with `p` = rate, and Keras `Dropout`. The papers' own `p` is the
    probability of keeping.
    """
