"""Zoneout."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import AtTransitions


class Zoneout(AtTransitions):
    """Each unit keeps its previous value with probability `rate`, with a mask of its own at every step.

    Krueger et al. 2017 (arXiv:1606.01305, section 3). For an LSTM, with masks d of ones where the old value stays,

        c_t = d_c c_{t-1} + (1 - d_c) (f c_{t-1} + i g)
        h_t = d_h h_{t-1} + (1 - d_h) o tanh(f c_{t-1} + i g)

    so h_t is made of the new cell before its zoneout. GRU and vanilla have the second line, with their new state. What the
    next step and the next layer are handed is h_t.

    Nothing is scaled. Evaluation takes the expectation of each step, rate · old + (1 - rate) · new. That is not the identity.

    The sites are `recurrent.*.hidden` and `recurrent.*.cell`; `dropout.rate` is for both, and
    `dropout.rates={recurrent.*.cell: 0.5, recurrent.*.hidden: 0.05}` are the paper's for characters of the Penn Treebank.

    The authors' short TensorFlow wrapper zones out the state but returns the cell's own output, so that the layer above is
    handed h_t without zoneout; Tacotron 2's implementations are made after it. Others apply one rate, or one mask, to both
    states, or compute h_t from the zoned-out cell.
    """

    scales: ClassVar[bool] = False

    @override
    def expected(self, rate: Tensor) -> Tensor:
        return 1 - rate
