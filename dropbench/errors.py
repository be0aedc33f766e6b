"""The exceptions that the command line shows as a sentence and not as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """A mistake of the user. The message says what is wrong, the nearest valid choice and what to type; the exit code is 2."""


class Interrupted(Exception):
    """A command that ended early. The message says what is stored and how to go on; the exit code is `code`."""

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


def reason(error: OSError) -> str:
    """Returns why a file could not be read or written. pandas and pyarrow give a message and no `strerror`."""
    return error.strerror or " ".join(str(error).split()) or type(error).__name__


def nearest(word: str, valid: Iterable[str]) -> str:
    """Returns a clause with the closest valid word and then all valid words: `did you mean 'mlp'? valid: cnn, mlp, rnn`."""
    names = sorted(set(valid))
    # A dotted key is often right except for its group: `train.widths` should lead to `model.widths`.
    last = word.rpartition(".")[2]
    same_end = [n for n in names if "." in word and n.rpartition(".")[2] == last]
    close = same_end or difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}valid: {', '.join(names)}"
