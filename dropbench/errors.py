"""The exceptions that the command line shows as a sentence and not as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LONG = 60
"""The most names that `nearest` lists; of more it lists those that are similar."""
_SIMILAR = 10


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


def nearest(word: str, valid: Iterable[str], most: int = LONG) -> str:
    """Returns a clause with the closest valid word and then all valid words: `did you mean 'mlp'? valid: cnn, mlp, rnn`.

    If there are more than `most`, only similar ones follow, and it says so: `similar, of 74 in all: ...`.
    """
    names = sorted(set(valid))
    if not names:
        return "there are none"
    # A dotted key is often right except for its group: `train.widths` should lead to `model.widths`.
    last = word.rpartition(".")[2]
    same_end = [n for n in names if "." in word and n.rpartition(".")[2] == last]
    close = same_end or difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    if len(names) > most:
        others = difflib.get_close_matches(word.lower(), names, n=_SIMILAR, cutoff=0.4)
        similar = list(dict.fromkeys([*same_end, *others]))[:_SIMILAR]
        return f"{hint}similar, of {len(names)} in all: {', '.join(similar)}" if similar else f"valid: {listed(names)}"
    return f"{hint}valid: {', '.join(names)}"


def like(word: str, names: Iterable[str]) -> str:
    """Returns "did you mean 'name'? " for the name most similar to a word, or "" if none is similar."""
    known = list(names)
    found = difflib.get_close_matches(word.lower(), [n.lower() for n in known], n=1, cutoff=0.5)
    return next((f"did you mean '{n}'? " for n in known if [n.lower()] == found), "")


def listed(names: Sequence[str], most: int = 20) -> str:
    """Returns names for a message: all of them, or `most` of them: the first, and a quarter from the end.

    The end is never left out, because the last column of a table is often its target.

    >>> listed(["a", "b", "c"]), listed([f"x{i}" for i in range(1, 20)] + ["y"], 6)
    ('a, b, c', 'x1, x2, x3, x4, ... 14 more ..., x19, y')
    """
    if len(names) <= most:
        return ", ".join(names)
    last = max(2, most // 4)
    first = most - last
    return f"{', '.join(names[:first])}, ... {len(names) - first - last} more ..., {', '.join(names[-last:])}"
