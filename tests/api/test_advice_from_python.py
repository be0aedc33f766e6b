"""`db.advise`: the command's advice as an object, also on objects, and continued by the same call."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from terminal import dropbench

import dropbench as db

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=list("abc"))
FRAME["y"] = FRAME["a"] > 0


@pytest.fixture(autouse=True)
def _one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropbench.planning.advising.MOST", 6)


def few(results: Path) -> dict[str, Any]:
    return {"train.epochs": 1, "results": results, "execute.workers": 1}


def test_the_advice_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advice = db.advise("data=wine", few(tmp_path), minutes=3, quiet=True)
    typed = ("advise", "data=wine", "train.epochs=1", f"results={tmp_path}", "execute.workers=1", "--json")
    told = json.loads(dropbench(capsys, *typed).out)
    assert advice.decision in ("use", "leave", "unknown") and len(advice.sentences) == 3
    assert [advice.decision, advice.arm, advice.sentences, advice.command] == [
        told[name] for name in ("decision", "arm", "sentences", "command")
    ]
    assert str(advice) == "\n".join(advice.sentences)
    assert advice.page is not None and advice.page.is_file() and advice.config is not None and advice.config.is_file()
    assert set(advice.report.frame["arm"]) == {"none", "standard 0.1", "standard 0.25", "standard 0.5"}


def test_on_objects_the_same_call_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data lie in another temporary folder at each call, and are the same data all the same."""
    with monkeypatch.context() as patched:
        patched.setattr("dropbench.planning.advising.MOST", 8)  # a plan begun anew would have 6 seeds, and another id
        patched.setattr("dropbench.cli.advise.time", SimpleNamespace(monotonic=lambda: -1e9))
        early = db.advise(few(tmp_path), data=FRAME, target="y", quiet=True)
    assert early.decision == "unknown" and early.command is None and early.page is None
    assert len(early.sentences) == 1 and "Run the same call again" in early.sentences[0]
    advice = db.advise(few(tmp_path), data=FRAME.copy(), target="y", minutes=3, quiet=True)
    assert len(advice.sentences) == 3 and advice.command is None
    assert "This answer is for mlp on the given DataFrame; " in advice.sentences[2]
    assert len(list((tmp_path / "plans").iterdir())) == 1


@pytest.mark.parametrize(
    ("settings", "minutes", "said"),
    [
        ("dropout=spatial", 1.0, "advise chooses this itself"),
        ("data=wine", 0.0, r"minutes=0\.0: it must be at least 0\.1"),
    ],
)
def test_a_mistake_is_one_sentence(settings: str, minutes: float, said: str) -> None:
    with pytest.raises(db.UsageError, match=said):
        db.advise(settings, minutes=minutes)
