"""Two options of which one would have no effect are an error, so that nobody waits for what will not happen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sweep study=three_arm --estimate", "--estimate is for --dry-run"),
        ("sweep study=three_arm --no-estimate", "--no-estimate is for --dry-run"),
        ("sweep study=three_arm --fail-fast --max-failures 3", "type one of the two"),
        ("train --cfg --dry-run", "type one of the two"),
        ("report --confirm --out report.md", "leave out --format, --json, --out and --wide"),
        ("report --confirm --json", "leave out --format, --json, --out and --wide"),
        ("report --confirm --wide", "leave out --format, --json, --out and --wide"),
    ],
)
def test_an_option_without_effect_is_refused(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = dropbench(capsys, *words.split())
    assert said.code == 2 and sentence in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
