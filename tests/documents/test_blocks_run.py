"""Blocks of Python run one after the other, and blocks of YAML and JSON are valid. Commands: test_documents_run.py."""

from __future__ import annotations

import json
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from blocks import DOCUMENTS, ROOT, Block, blocks
from torch import nn
from worlds import FEW, IDS, make, run_id, typed

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]


def preamble(world: Path) -> dict[str, Any]:
    """Return the names that the documents use without defining them."""

    class Net(nn.Module):
        def __init__(self, in_features: int, n_classes: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(in_features, 8), nn.Dropout(0.5), nn.Linear(8, n_classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)  # type: ignore[no-any-return]

    rows = np.random.default_rng(0).normal(size=(40, 13)).astype("float32")
    frame = pd.DataFrame(rows[:, :3], columns=list("abc")).assign(label=np.where(rows[:, 0] > 0, "yes", "no"))
    return {"__name__": "__main__", "frame": frame, "Net": Net, "images": rows[:3], "stored": world}


def after_python_page(world: Path, text: str, said: str) -> None:
    import dropbench as db

    assert "did you mean 'wine'?" in said
    assert (world / "answer.html").stat().st_size > 10_000
    assert set(re.findall(r"\bdb\.(\w+)", text)) >= set(db.__all__) - {"Advised", "Answer", "Run"}


AFTER: dict[str, Callable[[Path, str, str], None]] = {"docs/python.md": after_python_page}
PYTHON = {"README.md": "readme", "docs/python.md": "page", "docs/data.md": "table"}
"""The worlds of documents whose blocks train, or need files of their own."""
WITH_PYTHON = sorted({b.document for b in BLOCKS if b.language == "python" and not b.file})


@pytest.mark.parametrize("document", WITH_PYTHON)
def test_the_python_of_a_document_runs(
    document: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run all blocks in order; each has the names defined by those before it."""
    world = make(folder, PYTHON.get(document, "plain"))
    monkeypatch.chdir(world)
    monkeypatch.setattr("dropbench.planning.advising.MOST", 6)
    known = preamble(world)
    ran = 0
    for block in BLOCKS:
        if block.document != document or block.language != "python" or block.file or block.not_run:
            continue
        text = IDS.sub(lambda _: run_id(world), block.text)
        text = re.sub(r"(db|dropbench)\.sweep\((?![^)]*epochs)", r"\1.sweep('train.epochs=1', 'seed=0,1', ", text)
        text = text.replace("db.advise(", "db.advise('train.epochs=1', ")
        linecache.cache[f"<{block.name}>"] = (len(text), None, text.splitlines(keepends=True), f"<{block.name}>")
        exec(compile(text, f"<{block.name}>", "exec"), known)
        ran += 1
    assert ran
    if document in AFTER:
        AFTER[document](world, (ROOT / document).read_text(encoding="utf-8"), capsys.readouterr().out)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in ("yaml", "json")], ids=lambda b: b.name)
def test_yaml_and_json_are_what_they_are_shown_as(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse each block, and plan it if it is a study; commands of the same document use the blocks that are files."""
    tree = yaml.safe_load(block.body) if block.language == "yaml" else json.loads(block.text)
    assert isinstance(tree, dict) and tree
    if block.language == "yaml" and ("arms" in tree or "grid" in tree):
        world = make(folder, "empty")
        monkeypatch.chdir(world)
        study = world / "shown" / "study" / "shown.yaml"
        study.parent.mkdir(parents=True, exist_ok=True)
        study.write_text(f"# Shown\n{block.body}", encoding="utf-8")
        words = ["sweep", "--conf", "shown", "study=shown", "train.epochs=9", "device=cpu", "seed=0", "--dry-run"]
        said = typed(*words, *(FEW if "search" in tree else ()))
        assert said.endswith("exit code 0"), said
