"""docs/data.md: its table has all options of `data=csv`, and each example in it works (commands: test_documents_run.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blocks import ROOT
from worlds import bring, typed

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
OPTIONS = re.findall(r"^\| `data\.\w+` \| `(data\.[^`]+)` \|", PAGE, re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("data_page")
    bring(made)
    return made


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_page_is_one(option: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(OPTIONS) == 12
    monkeypatch.chdir(folder)
    target = "n" if option == "data.task=regress" else "diagnosis"
    words = ("data=csv", "data.path=my.csv", f"data.target={target}", option, "seed=0", "train.epochs=1", "device=cpu")
    said = typed("sweep", *words, "--dry-run")
    assert said.endswith("exit code 0"), said


def test_every_option_of_the_table_is_on_the_page() -> None:
    keys = re.findall(r"^(\w+): ", (ROOT / "conf/data/csv.yaml").read_text(encoding="utf-8"), re.M)
    named = {option.partition("=")[0].removeprefix("data.") for option in OPTIONS} | {"path", "target"}
    assert named == set(keys) - {"name", "_target_", "defaults"}
