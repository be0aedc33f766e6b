"""Finds words that are not settings but whose meaning is clear: a setting split by blanks, or a name without its key."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from dropbench.config.options import GROUPS, options
from dropbench.config.own_file import own_file, own_network
from dropbench.errors import UsageError

_KEY = re.compile(r"[\w./+]+")


def check_blanks(words: Sequence[str]) -> None:
    """Raises UsageError for a setting that blanks have split into several words: `dropout.rate = 0.3`, `data.drop=[a, b]`."""
    for i, word in enumerate(words):
        before, after = words[i - 1] if i else "", words[i + 1] if i + 1 < len(words) else ""
        if word.startswith("=") and _KEY.fullmatch(before):
            value = word[1:] or after
            raise UsageError(f"'{before} {word}': write no blanks around =, as in {shlex.quote(f'{before}={value}')}")
        if word.endswith("=") and _KEY.fullmatch(word[:-1]) and after and "=" not in after:
            raise UsageError(f"'{word} {after}': write no blanks around =, as in {shlex.quote(word + after)}")
        key, is_set, value = word.partition("=")
        if is_set and key.rstrip() != key:
            whole = f"{key.rstrip()}={value.lstrip()}"
            raise UsageError(f"'{word}': write no blanks around =, as in {shlex.quote(whole)}")
        if is_set and (joined := _joined(words[i:])) is not None:
            raise UsageError(
                f"a blank ends a setting, and '{word}' is not at its end; did you mean {shlex.quote(joined)}? "
                "(no blanks, or quotes around the whole)"
            )


def _joined(words: Sequence[str]) -> str | None:
    """Returns the first word with those that belong to it: up to the end of its bracket, and after a comma.

    None if nothing belongs to it.
    """
    joined, last = words[0], 0
    while last + 1 < len(words) and (_open(joined) > 0 or _goes_on(joined, words[last + 1])):
        last += 1
        joined += ("" if joined.endswith((",", "[")) or words[last].startswith(",") else " ") + words[last]
    return joined if last and _open(joined) == 0 else None


def _goes_on(text: str, after: str) -> bool:
    return "=" not in after and (text.endswith(",") or after.startswith(","))


def _open(text: str) -> int:
    return sum((c in "[{(") - (c in "]})") for c in text)


def told(word: str) -> str:
    """Returns a sentence on a word without `=`, with what to type: for a file, the name of an option, or anything else."""
    said = f"'{word}' is not a setting"
    if (own := own_file(word) or own_network(word)) is not None:
        return f"{said}; for a file of yours type {own}"
    if groups := [group for group in GROUPS if word in options(group)]:
        return f"{said}; write {' or '.join(f'{group}={word}' for group in groups)}"
    such = "dropout=none" if word.startswith("~") else "dropout.rate=0.5"  # Hydra's ~ removes a choice
    return f"{said}; write key=value, such as {such} (or see --help)"
