"""Converts sentences to word numbers of one length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dropbench.data.vocabulary import by_frequency

PADDING, UNKNOWN = 0, 1
"""The first two word numbers; the words follow."""


def numbered(sentences: Sequence[Sequence[str]], length: int, min_count: int) -> tuple[Tensor, tuple[str, ...]]:
    """Returns word numbers [n, length] int64 of sentences, and the word of each number.

    Words are numbered by their frequency. Shorter sentences are padded on the left with number 0, and longer ones keep their
    last `length` words. Words that occur less than `min_count` times all get number 1.
    """
    known = by_frequency((word for words in sentences for word in words), min_count)
    number = {word: i for i, word in enumerate(known, UNKNOWN + 1)}
    x = torch.full((len(sentences), length), PADDING)
    for row, words in zip(x, sentences, strict=True):
        kept = words[-length:]
        row[length - len(kept) :] = torch.tensor([number.get(word, UNKNOWN) for word in kept], dtype=torch.int64)
    return x, ("<pad>", "<unk>", *known)
