"""Weight-dropped recurrent layers."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class WeightDrop(Variant):
    """Drops hidden-to-hidden weights of recurrent layers, with one mask for all steps and all sequences of a batch.

    Merity et al. 2017 (arXiv:1708.02182, section 2), AWD-LSTM. The mask covers the weights of all gates, but not the biases.
    The layer uses mask · weight, so the gradient reaches the raw weight and is zero where the weight was dropped. Kept
    weights are scaled by 1 / keep, as in the authors' code, which calls torch's dropout; evaluation uses the weights
    unchanged. DropConnect for dense layers (Wan et al. 2013), which averages over a Gaussian in evaluation, is
    `dropconnect`. The rate is the probability that a weight is dropped.

    salesforce/awd-lstm-lm's `WeightDrop` and its copies set the dropped weight as an attribute of torch's LSTM. With
    `variational=True` it masks whole rows, even in evaluation (its issue 72); fastai 2's version left the raw weight without
    a gradient for a while (fastai2, pull request 427). Some Keras code uses the name "WeightDrop" for DropConnect itself.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"recurrent_weight"})

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return site.shape
