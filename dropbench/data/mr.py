"""Movie reviews (MR), the sentiment of single sentences: since Kim 2014 the usual small data set for text classifiers."""

from __future__ import annotations

from pathlib import Path

import torch

from dropbench.data._files import folder_of, wrong
from dropbench.data.base import Table
from dropbench.data.sentences import numbered
from dropbench.spec import Positive

_FILES = {
    "rt-polarity.neg": "1e35b7f7c5df24a135ca62b8eecded53",
    "rt-polarity.pos": "afcc7ff580b3b4df4bdb6528e6558ab5",
}
_ADDRESS = "https://raw.githubusercontent.com/yoonkim/CNN_sentence/master"
_COUNT = 5_331


def load(root: Path, download: bool, *, length: Positive = 40, min_count: Positive = 2) -> Table:
    """Returns 10,662 sentences of film reviews in lower case, half of them negative (class 0) and half positive (class 1).

    There is no official split. Words are numbered by their frequency in all sentences, including validation and test, as is
    usual since Kim 2014. This tells a model which words exist, but not what they mean.

    Parameters
    ----------
    root : Path
        Folder of all data sets; the files are `root`/mr/rt-polarity.neg and .pos.
    download : bool
        Whether missing files may be downloaded.
    length : int
        Words per example. Shorter sentences are padded on the left with number 0, and longer ones keep their last `length`
        words, so that the last step is always the sentence's last word. Sentences have 1 to 59 words, 21 on average; 97 %
        have no more than 40.
    min_count : int
        Words that occur less often in the whole data set all get number 1. A word that occurs once is either never trained
        or never tested, so the default of 2 loses nothing (10,380 of 21,420 words remain).

    Raises
    ------
    UsageError
        If files are missing or damaged, or cannot be downloaded.

    References
    ----------
    Pang and Lee, "Seeing stars", ACL 2005 (sentence polarity dataset v1.0).
    """
    folder = folder_of("mr", root, _FILES, _ADDRESS if download else None)
    # Not splitlines(), which would treat some bytes within these sentences as the end of a line.
    texts = [(folder / file).read_bytes().decode("cp1252", errors="replace").split("\n") for file in _FILES]
    sentences = [[line.split() for line in lines if line.strip()] for lines in texts]
    if any(len(part) != _COUNT for part in sentences):
        raise wrong("mr", folder, f"{_COUNT:,} sentences each")
    every = [words for part in sentences for words in part]
    x, words = numbered(every, length, min_count)
    return Table(
        name="mr",
        x=x,
        y=torch.arange(2).repeat_interleave(_COUNT),
        axes="T",
        n_classes=2,
        vocabulary=len(words),
        words=words,
        files=tuple(folder / file for file in _FILES),
        source="sentence polarity dataset v1.0 (Pang and Lee 2005)",
    )
