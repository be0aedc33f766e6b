"""Unscaled dropout: a famous bug, for teaching."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant


class Unscaled(Variant):
    """A bug, kept to be measured: elements are dropped in training, and nothing is scaled there or at evaluation.

    Srivastava et al. 2014 (JMLR 15, section 4) scale at evaluation (`classic`), libraries in training (`standard`). Home-made
    dropout forgets both: the units of the next layer then see inputs that are larger by 1 / (1 - rate) in evaluation than
    those that they were trained on. Batch norm after it hides a part of the harm. Do not use it to train anything.
    """

    scales: ClassVar[bool] = False
