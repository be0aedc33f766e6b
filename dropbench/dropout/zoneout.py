"""Zoneout."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import AtTransitions


class Zoneout(AtTransitions):
    """Lets each unit keep its previous value with probability `rate`, with a new mask at every step.

    Krueger et al. 2017 (arXiv:1606.01305, section 3). For an LSTM, with masks d that are 1 where the old value stays:

        c_t = d_c c_{t-1} + (1 - d_c) (f c_{t-1} + i g)
        h_t = d_h h_{t-1} + (1 - d_h) o tanh(f c_{t-1} + i g)

    So h_t is computed from the new cell before zoneout. GRU and vanilla RNN have the second line only, with their new state.
    The next step and the next layer both receive h_t.

    Nothing is scaled. Evaluation takes the expectation of each step, rate · old + (1 - rate) · new, which is not the identity.

    The sites are `recurrent.*.hidden` and `recurrent.*.cell`, and `dropout.rate` applies to both. The paper's rates for
    characters of the Penn Treebank are `dropout.rates={recurrent.*.cell: 0.5, recurrent.*.hidden: 0.05}`.

    The authors' short TensorFlow wrapper zones out the state but returns the cell's own output, so that the layer above
    receives h_t without zoneout; implementations of Tacotron 2 follow it. Other implementations apply one rate, or one mask,
    to both states, or compute h_t from the zoned-out cell.
    """

    scales: ClassVar[bool] = False

    @override
    def expected(self, rate: Tensor) -> Tensor:
        return 1 - rate
