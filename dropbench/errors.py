"""The one exception that a user's mistake becomes: a sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """What was wrong, the nearest valid thing, what to type next. The command line shows it and exits with 2."""


class Interrupted(Exception):
    """The user stopped the command: what is stored and how to go on. The command line shows it and exits with `code`."""

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


def nearest(word: str, valid: Iterable[str]) -> str:
    """A clause naming the closest of the valid words, then all of them: `did you mean 'mlp'? valid: cnn, mlp, rnn`."""
    names = sorted(set(valid))
    # A dotted key is often right but for its group: `train.widths` should lead to `model.widths`.
    last = word.rpartition(".")[2]
    same_end = [n for n in names if "." in word and n.rpartition(".")[2] == last]
    close = same_end or difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}valid: {', '.join(names)}"
