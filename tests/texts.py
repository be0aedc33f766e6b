"""Small texts: running text, given or random, and sentences."""

from __future__ import annotations

from typing import Any

import torch
from graphs import CLASSES
from torch import Tensor

from dropbench.data.base import Table
from dropbench.spec import DataSpec


def text(x: Tensor, words: int, window: int, *, val: int, test: int, name: str = "text") -> Table:
    """Return running text of the ids `x`: training words first, then `val` validation words and `test` test words."""
    ends = len(x) - test - val, len(x) - test, len(x)
    parts = {"val": torch.arange(*ends[:2]), "test": torch.arange(*ends[1:])}
    return Table(name, x[:, None], x.roll(-1), "W", words, vocabulary=words, window=window, **parts)


def running(train: int, val: int, test: int, window: int) -> Table:
    """Return a text in which every word is its own position."""
    n = train + val + test
    return text(torch.arange(n), n, window, val=val, test=test, name="running")


def running_data(**changes: Any) -> DataSpec:
    """Return the spec of such a text."""
    return DataSpec.model_validate({"name": "running", "_target_": "none", **changes})


def running_text(words: int = 9, window: int = 5, *, train: int = 400, val: int = 60, test: int = 60) -> Table:
    """Return random words, from which nothing can be learned."""
    x = torch.randint(words, (train + val + test,), generator=torch.Generator().manual_seed(0))
    return text(x, words, window, val=val, test=test)


def sentences(examples: int = 60, words: int = 11, length: int = 6) -> Table:
    """Return sentences of 1 to `length` random words, padded with 0 on the left, with cycling classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, words, (examples, length), generator=generator)
    x[torch.arange(length) < torch.randint(length, (examples, 1), generator=generator)] = 0
    return Table("sentences", x, torch.arange(examples) % CLASSES, "T", CLASSES, vocabulary=words)
