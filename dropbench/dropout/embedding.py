"""Embedding dropout: whole words."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class EmbeddingDropout(Variant):
    """Drops rows of the embedding, that is words: a dropped word is zero everywhere it occurs.

    `per=sequence` draws the missing words for each sequence, as Gal & Ghahramani 2016 (arXiv:1512.05287, section 4.2) do in
    recurrent networks. `per=batch` draws one mask for all sequences of a batch, as `embedded_dropout` of Merity et al. 2017
    (arXiv:1708.02182, section 4.3). The rate is the probability that a word of the vocabulary is dropped, so dropping a
    frequent word empties many positions. Kept words are scaled by 1 / keep; evaluation is the identity.

    Other methods with similar names: "word dropout" (Iyyer et al. 2015; Bowman et al. 2016, who insert `<unk>`) drops each
    occurrence independently. Dropping features of the embedded words is `standard`, `spatial` or `locked` at `embedded`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"token"})

    def __init__(self, *, per: Literal["sequence", "batch"] = "sequence") -> None:
        self.per = per

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        words, _ = site.shape
        return (batch if self.per == "sequence" else 1, words, 1)
