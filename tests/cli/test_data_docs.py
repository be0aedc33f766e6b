"""docs/data.md and CONTRIBUTING.md: what they tell one to type works, and their loader is one."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from terminal import dropbench

from dropbench.config import parts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
TINY = ["seed=0", "train.epochs=1", "device=cpu", "--dry-run"]
N = 60


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(text: str) -> list[str]:
    """What stands in blocks of bash, and alone in backquotes on a line."""
    shown = [*blocks(text, "bash"), *re.findall(r"`(dropbench [^`]+)`", text)]
    return [c.replace("\\\n", " ").strip() for c in shown]


OPTIONS = re.findall(r"^\| `data\.\w+` \| `(data\.[^`]+)` \|", PAGE, re.M)


@pytest.fixture
def folder(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the page speaks of, in the current folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": draw.normal(size=N),
            "zip": draw.integers(10, 20, N),
            "month": draw.integers(1, 13, N),
            "notes": [f"n{i}" for i in range(N)],
            "row": np.arange(N),
            "patient": [f"p{i // 3}" for i in range(N)],
            "day": pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"),
            "n": draw.integers(1, 9, N),
            "diagnosis": draw.choice(["ill", "well"], N),
        }
    )
    frame.to_csv("my.csv", index=False)
    frame.iloc[:20].to_csv("test.csv", index=False)
    pd.DataFrame({"cement": draw.normal(size=N), "compressive_strength": draw.normal(size=N)}).to_csv(
        "concrete.csv", index=False
    )
    pd.DataFrame({"a": draw.normal(size=N), "b": draw.normal(size=N), "kind": np.arange(N) % 3}).to_csv(
        "mine.csv", index=False
    )
    for i in range(N):
        file = Path("my_pictures", ["cats", "dogs"][i % 2], f"{i}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(file)
    Path("mine/data").mkdir(parents=True)
    for language in ("python", "yaml"):
        for block in blocks(PAGE, language):
            if block.startswith("# mine/"):
                Path(block.partition("\n")[0].removeprefix("# ")).write_text(block.partition("\n")[2], encoding="utf-8")
    yield bare
    sys.modules.pop("my_data", None)
    parts._options_model.cache_clear()  # others have a module of this name


@pytest.mark.parametrize("command", commands(PAGE))
def test_a_command_of_the_page_does_as_it_says(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in shlex.split(command)[1:] if word != "..."]
    told = dropbench(capsys, *words, *(TINY if words[0] == "sweep" else []))
    assert told.code == 0, told.err


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_page_is_one(option: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(OPTIONS) == 10
    target = "n" if option == "data.task=regress" else "diagnosis"
    told = dropbench(capsys, "sweep", "data=csv", "data.path=my.csv", f"data.target={target}", option, *TINY)
    assert told.code == 0, told.err


def test_every_option_of_the_table_is_on_the_page() -> None:
    keys = re.findall(r"^(\w+): ", (ROOT / "conf/data/csv.yaml").read_text(encoding="utf-8"), re.M)
    named = {option.partition("=")[0].removeprefix("data.") for option in OPTIONS} | {"path", "target"}
    assert named == set(keys) - {"name", "_target_", "defaults"}


def test_the_loader_of_both_pages_is_the_same() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    of = [[b for b in blocks(text, "python") if b.startswith("# mine/my_data.py")] for text in (PAGE, told)]
    assert len(of[0]) == 1 and of[0] == of[1]
