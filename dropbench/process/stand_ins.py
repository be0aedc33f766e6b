"""Replacements for characters that a terminal cannot show: `+-` for ±, `<=` for ≤, `alpha` for α."""

from __future__ import annotations

import codecs
import unicodedata

NAME = "dropbench.plain"
"""The name of the codecs error handler, once it is registered."""
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
    """Registers the handler with Python's codecs and returns its name, to be passed as `errors`."""
    codecs.register_error(NAME, _handle)
    return NAME


def stand_in(character: str) -> str:
    """Returns ASCII for a character, or its code as Python writes it if no ASCII looks alike."""
    if character in _STAND_INS:
        return _STAND_INS[character]
    name = unicodedata.name(character, "")
    if name.startswith("BOX DRAWINGS"):
        return _line(name)
    if name.startswith("GREEK"):
        return name.partition(" LETTER ")[2].partition(" ")[0].lower().replace("lamda", "lambda") or "?"
    raised = "^" if unicodedata.decomposition(character).startswith("<super>") else ""
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if letters or unicodedata.combining(character):  # a combining mark over the letter before is left out
        return raised + letters if letters else ""
    return character.encode("ascii", "backslashreplace").decode()


def _line(name: str) -> str:
    """Returns ASCII for a box-drawing character."""
    words = name.split()
    if "HORIZONTAL" in words and "VERTICAL" not in words:
        return "-"
    return "|" if "VERTICAL" in words and not {"HORIZONTAL", "LEFT", "RIGHT"} & set(words) else "+"


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler for codecs: returns the replacement of the first unencodable character, and where to continue."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    at = error.start
    character = error.object[at]
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not valid text is written unchanged
        return bytes([ord(character) - 0xDC00]), at + 1
    instead = stand_in(character)
    # Two characters for one would shift the rest of a table's row to the right, so they also replace a following space.
    spare = len(instead) == 2 and error.object[at + 1 : at + 2] == " "
    return instead, at + 1 + spare
