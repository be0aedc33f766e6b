"""The README and the tutorial show the output that `make demo` prints now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blocks import ROOT, blocks
from worlds import typed

NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?")
DEMO = re.search(r"^DEMO := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
TOLERANCE = 0.15
"""How far numbers may differ, in points, because processors round differently; p values are always closer than that."""


def same(shown: str, printed: str) -> bool:
    """Return whether lines agree except for spaces and the last digits of numbers."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(abs(float(a.replace(",", "")) - float(b.replace(",", ""))) <= TOLERANCE for a, b in pairs)


def missing(shown: str, printed: str) -> list[str]:
    """Return the shown lines that the printed output does not have in the same order."""
    rest = iter(printed.splitlines())
    return [line for line in shown.splitlines() if line.strip() and not any(same(line, other) for other in rest)]


def shown(document: str) -> list[str]:
    return [block.text for block in blocks(ROOT / document) if block.language == "text"]


def test_the_demo_prints_what_the_documents_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert DEMO is not None
    words = ("sweep", *DEMO[1].split(), "device=cpu")
    planned = typed(*words, "--dry-run")
    said = typed(*words, "execute.workers=1")
    monkeypatch.setenv("COLUMNS", "100")
    confirmed = typed("report", "--confirm")
    (readme,), (plan, table, confirmation) = shown("README.md"), shown("docs/tutorial.md")
    assert missing(readme, said) == [] and missing(table, said) == []
    assert missing("\n".join(plan.splitlines()[:-1]), planned) == []  # the last line depends on the number of workers
    assert missing(confirmation, confirmed) == []


def test_another_number_or_word_is_seen() -> None:
    assert same(" none  10  90.4 ± 2.1", "none 10 90.3 ± 2.2") and not same("none 10 90.4", "none 10 91.4")
    assert missing("reduced 1.0\ntarget 2.0", "target 2.0\nreduced 1.0") == ["target 2.0"]
