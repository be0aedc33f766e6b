"""What stands for a character that a terminal cannot show: `+-` for ±, `<=` for ≤, `alpha` for α."""

from __future__ import annotations

import codecs
import unicodedata

NAME = "dropbench.plain"
"""Of the handler of errors, once it is registered."""
_STAND_INS = {
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "×": "x",
    "·": ".",
    "•": "*",
    "●": "*",
    "−": "-",
    "‐": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "→": "->",
    "←": "<-",
    "√": "sqrt ",
    "∞": "inf",
    "∇": "grad ",
    "‖": "||",
    "µ": "u",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "█": "#",
    "▏": "|",
}


def register() -> str:
    """Makes the handler known to Python's codecs; returns its name, to be given as `errors`."""
    codecs.register_error(NAME, _handle)
    return NAME


def stand_in(character: str) -> str:
    """ASCII for a character; its number, as Python writes it, where nothing reads alike."""
    if character in _STAND_INS:
        return _STAND_INS[character]
    name = unicodedata.name(character, "")
    if name.startswith("BOX DRAWINGS"):
        return _line(name)
    if name.startswith("GREEK"):
        return name.partition(" LETTER ")[2].partition(" ")[0].lower().replace("lamda", "lambda") or "?"
    raised = "^" if unicodedata.decomposition(character).startswith("<super>") else ""
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if letters or unicodedata.combining(character):  # a mark over the letter before is left out
        return raised + letters if letters else ""
    return character.encode("ascii", "backslashreplace").decode()


def _line(name: str) -> str:
    """For a part of a box."""
    words = name.split()
    if "HORIZONTAL" in words and "VERTICAL" not in words:
        return "-"
    return "|" if "VERTICAL" in words and not {"HORIZONTAL", "LEFT", "RIGHT"} & set(words) else "+"


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    """For the codecs: what is written for the first character that cannot be, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    at = error.start
    character = error.object[at]
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is no text: it is written as it was
        return bytes([ord(character) - 0xDC00]), at + 1
    instead = stand_in(character)
    # Two characters for one would push the rest of a table's row to the right: they take the space that follows.
    spare = len(instead) == 2 and error.object[at + 1 : at + 2] == " "
    return instead, at + 1 + spare
