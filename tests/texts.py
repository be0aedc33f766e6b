"""Small texts: running text, by hand and at random, and sentences."""

from __future__ import annotations

from typing import Any

import torch
from graphs import CLASSES
from torch import Tensor

from dropbench.data.base import Table
from dropbench.spec import DataSpec


def text(x: Tensor, words: int, window: int, *, val: int, test: int, name: str = "text") -> Table:
    """Running text of the ids `x`: first what to train on, then `val` words to validate on, and `test` words to test on."""
    ends = len(x) - test - val, len(x) - test, len(x)
    parts = {"val": torch.arange(*ends[:2]), "test": torch.arange(*ends[1:])}
    return Table(name, x[:, None], x.roll(-1), "W", words, vocabulary=words, window=window, **parts)


def running(train: int, val: int, test: int, window: int) -> Table:
    """A text in which every word tells its place."""
    n = train + val + test
    return text(torch.arange(n), n, window, val=val, test=test, name="running")


def running_data(**changes: Any) -> DataSpec:
    """The spec of such a text."""
    return DataSpec.model_validate({"name": "running", "_target_": "none", **changes})


def running_text(words: int = 9, window: int = 5, *, train: int = 400, val: int = 60, test: int = 60) -> Table:
    """Random words: nothing in them can be learnt."""
    x = torch.randint(words, (train + val + test,), generator=torch.Generator().manual_seed(0))
    return text(x, words, window, val=val, test=test)


def sentences(examples: int = 60, words: int = 11, length: int = 6) -> Table:
    """Random words with classes in turn: of 1 to `length` words, padded with 0 on the left."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, words, (examples, length), generator=generator)
    x[torch.arange(length) < torch.randint(length, (examples, 1), generator=generator)] = 0
    return Table("sentences", x, torch.arange(examples) % CLASSES, "T", CLASSES, vocabulary=words)
