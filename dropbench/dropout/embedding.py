"""Embedding dropout: whole words."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class EmbeddingDropout(Variant):
    """Rows of the embedding, which are words, are dropped: a word is zero wherever it occurs, or nowhere.

    `per=sequence`: each sequence has its own missing words. Gal & Ghahramani 2016 (arXiv:1512.05287, section 4.2), where it is
    part of dropout in a recurrent network. `per=batch`: one mask for all sequences of a batch, as `embedded_dropout` of
    Merity et al. 2017 (arXiv:1708.02182, section 4.3). The rate is the chance of a word of the vocabulary to be dropped, so a
    frequent word that is dropped takes many places with it. What is kept is scaled by 1 / keep; evaluation does nothing.

    Dropping single occurrences, each by itself, is "word dropout" (Iyyer et al. 2015; Bowman et al. 2016, who put `<unk>` in
    its place), and not this. Nor is dropout of the embedded features: that is `standard`, `spatial` or `locked` at `embedded`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"token"})

    def __init__(self, *, per: Literal["sequence", "batch"] = "sequence") -> None:
        self.per = per

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        words, _ = site.shape
        return (batch if self.per == "sequence" else 1, words, 1)
