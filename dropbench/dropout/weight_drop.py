"""Weight-dropped recurrent layers."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class WeightDrop(Variant):
    """DropConnect on the hidden-to-hidden weights: one mask a sequence, for all its steps and for the whole batch.

    Merity et al. 2017 (arXiv:1708.02182, section 2), AWD-LSTM. All gates' weights are in the mask, biases are not. The mask
    multiplies the weight on its way into the layer, so the gradient reaches the raw weight, and is zero where that was
    dropped. What is kept is scaled by 1 / keep, as in their code, which calls torch's dropout; evaluation uses the weights as
    they are. Wan et al. 2013 scale nothing in training and average over Gaussians in evaluation: `dropconnect`, which is for
    dense layers. The rate is the chance of a weight to be dropped.

    salesforce/awd-lstm-lm's `WeightDrop`, and those made after it, set the dropped weight as an attribute of torch's LSTM. With
    `variational=True` it masks whole rows and never stops doing so (its issue 72); fastai 2's left the raw weight without a
    gradient for a while (fastai2, pull request 427). "WeightDrop" with another meaning: DropConnect itself, in some Keras code.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"recurrent_weight"})

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return site.shape
