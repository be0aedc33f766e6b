"""Unscaled dropout: a famous bug, for teaching."""

from __future__ import annotations

from typing import ClassVar

from dropbench.dropout.base import Variant


class Unscaled(Variant):
    """A common bug, kept so that it can be measured: drops elements in training and scales nothing, there or in evaluation.

    Srivastava et al. 2014 (JMLR 15, section 4) scale in evaluation (`classic`), libraries in training (`standard`).
    Home-made dropout sometimes does neither. In evaluation the next layer's inputs are then larger, by the factor 1 / (1 -
    rate), than those that it was trained on. A batch norm after it hides part of the harm. Do not use it to train anything.
    """

    scales: ClassVar[bool] = False
