"""The copy task: remember symbols over a long pause, and name one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dropbench.data.base import Table
from dropbench.data.raw_draws import below, bit_generator
from dropbench.spec import Positive

_ROWS, _SYMBOLS = 5_000, 8


def load(root: Path, download: bool, *, length: Positive = 50, remembered: Positive = 3) -> Table:
    """Returns 5,000 sequences: symbols drawn uniformly from eight, `length` blanks, and a question; the class is its answer.

    The question is one of as many words as there are symbols to remember: the first one asks for the first symbol, and so on,
    all equally often. Without memory of the beginning, one answer in eight is right. The original asks for all symbols in
    their order after the blanks; a table here has one target per example, so each sequence is asked for one of its symbols.

    Parameters
    ----------
    root : Path
        Not used.
    download : bool
        Not used: the sequences are generated, always the same ones for the same options.
    length : int
        The number of blanks between the symbols and the question.
    remembered : int
        The number of symbols at the beginning.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997, section 5.2; Arjovsky, Shah and Bengio, "Unitary evolution
    recurrent neural networks", 2016 (arXiv:1511.06464), section 4.1, the copying memory problem.
    """
    drawn = bit_generator(0, "copy").random_raw
    symbols = below(drawn(_ROWS * remembered), _SYMBOLS).reshape(_ROWS, remembered)
    asked = below(drawn(_ROWS), remembered)
    words = ("", *(f"symbol {i}" for i in range(_SYMBOLS)), "blank", *(f"which {i}?" for i in range(remembered)))
    blank = words.index("blank")  # word 0 is left out, since models take it for padding
    blanks = np.full((_ROWS, length), blank)
    x = np.hstack([symbols + 1, blanks, (blank + 1 + asked)[:, None]])
    return Table(
        name="copy",
        x=torch.from_numpy(x.astype(np.int64)),
        y=torch.from_numpy(symbols[np.arange(_ROWS), asked]),
        axes="T",
        n_classes=_SYMBOLS,
        vocabulary=len(words),
        source=f"made: the copy task, {remembered} symbols over {length} blanks (Arjovsky et al. 2016)",
    )
