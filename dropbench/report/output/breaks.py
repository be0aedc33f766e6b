"""Where a long name such as `none train.weight_decay=0.01` may break into lines."""

from __future__ import annotations

import re
import textwrap

_BREAKS = re.compile(r"(?<=[=, ])|(?<=\.)(?=[a-z])")


def pieces(name: str) -> list[str]:
    """Split a name after spaces, `=` and commas, and after a point between words, which numbers keep."""
    return [piece for piece in _BREAKS.split(name) if piece]


def folded(name: str, width: int) -> str:
    """Break a name into lines of at most `width` characters, inside a piece only if it is longer than that."""
    lines = [""]
    for whole in pieces(name):
        for piece in textwrap.wrap(whole, width, drop_whitespace=False):
            if len(lines[-1]) + len(piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.strip() for line in lines if line.strip()) or name
