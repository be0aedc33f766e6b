"""BibTeX of the papers behind what was compared. In `papers.bib` a line above each entry names its variants or regularizers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from typing import Any

from dropbench import identity


def bibliography(parts: Collection[str]) -> str:
    """Return the entries of these variants and regularizers, in the file's order; empty if none of them has a paper."""
    text = files(__package__).joinpath("papers.bib").read_text(encoding="utf-8")
    entries = [block.partition("\n") for block in text.split("\n\n")[1:]]
    return "\n\n".join(entry.strip() for names, _, entry in entries if not set(parts).isdisjoint(names.split()[1:]))


def parts_of(configs: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of all variants and regularizers of these configurations."""
    names: set[str] = set()
    for config in configs:
        names |= {str(v["name"]) for v in identity.variants(config)} | set(config.get(identity.BESIDE) or {})
    return names
