"""Every command and block of code in README.md, CONTRIBUTING.md and docs/ does what a reader expects of it.

A sweep is planned and not trained, a single run is one of one epoch, a report reads the runs of a miniature sweep. What
cannot be run is marked where it stands (see blocks.py) and skipped here with its reason.
"""

from __future__ import annotations

import json
import linecache
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import worlds
import yaml
from blocks import DOCUMENTS, ROOT, Block, blocks, commands, elided
from torch import nn
from worlds import make, miniature, run_id, typed

from dropbench.config import parts
from dropbench.planning import advising

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
IDS = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12}\b")
DATA = {"cifar10": "cifar-10-batches-py", "fashion_mnist": "FashionMNIST", "mnist": "MNIST"}
WORLD_OF = {
    r".*mypkg.* data=csv": "own_table",
    r"report .*model=rnn": "rnn",
    r"report --interaction dropout,train.weight_decay$": "decayed",
    r"report .*(weight_decay|n_train)|report .*--confirm": "decay",
    r"report .*--claims": "claims",
    r"report .*(locked|embedding)": "words",
    r"report study=advise": "advised",
    r"report .*(regularizer|mixup)": "mixed",
    r"report .*--metric (ece|mc_loss)": "unsure",
    r"report .*--cols model": "models",
    r"report first second": "halves",
    r"report|runs|train --from": "plain",
}
"""Which stored runs a command is about: the first pattern that fits."""
TYPED = {
    " ".join(words): (block, words)
    for block in reversed(BLOCKS)
    if block.language in ("bash", "inline")
    for words in ([["not", "run", block.name]] if block.not_run else commands(block))
}
"""Each command once, where it stands first."""
RUNNABLE = [pytest.param(*typed, id=f"{typed[0].name} {text[:60]}") for text, typed in reversed(TYPED.items())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the worlds are, on a machine with a CPU only; what they brought is forgotten after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.backends.mps, "is_available", lambda: False)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr("dropbench.hardware.device.resolve_workers", lambda settings, device: 1)
        # How long a plan would take is measured elsewhere, and so are plans of 400 seeds.
        patch.setattr("dropbench.execute.estimate.Durations._time", lambda self, cohort: 1.0)
        protocol = advising.Protocol
        patch.setattr(advising, "Protocol", lambda *given: protocol(*given[:4], at_most=10))
        yield tmp_path_factory.mktemp("worlds")
    names = {Path(block.file or "").parts[-1].removesuffix(".py") for block in worlds.shown_files()} | {"mypkg"}
    for name in [module for module in sys.modules if module.partition(".")[0] in names]:
        del sys.modules[name]
    parts._options_model.cache_clear()  # others have modules of these names


@pytest.mark.parametrize(("block", "words"), RUNNABLE)
def test_a_command_works(block: Block, words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.not_run:
        pytest.skip(block.not_run)
    if words[0] != "dropbench":
        other_program(words)
        return
    if elided(words) or words == ["dropbench", "runs"]:
        assert words[1] in typed("--help"), "it stands for others, and its command is one"
        return
    if words[1] == "ui":  # which serves until it is stopped
        said = typed("ui", "--help")
        assert said.endswith("exit code 0") and all(word in said for word in words if word.startswith("--")), said
        return
    needed = re.findall(r"data=(cifar10|fashion_mnist|mnist|mr|ptb|cora)\b", " ".join(words))
    world = next((name for text, name in WORLD_OF.items() if re.match(text, " ".join(words[1:]))), "empty")
    for name in [*needed, *(["mr"] if world == "words" else [])]:
        if not (Path(os.environ.get("DROPBENCH_DATA", "data")) / DATA.get(name, name)).exists():
            pytest.skip(f"DROPBENCH_DATA has no {name}")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(make(folder, world))
    for module in ("mypkg", "mypkg.net"):  # which is another one in another folder
        sys.modules.pop(module, None)
    said = typed(*prepared(words[1:]))
    assert said.endswith("exit code 0"), said


def prepared(words: list[str]) -> list[str]:
    """The words after `dropbench`, as they can be typed here."""
    if words[0] in ("sweep", "train", "advise"):
        words = miniature(words)
    words = [word.replace("/shared/results", "shared_results") for word in words]
    if words[0] == "init":
        shutil.rmtree(words[1], ignore_errors=True)
    return [IDS.sub(lambda _: run_id(Path()), word) for word in words]


def other_program(words: list[str]) -> None:
    """make, pip and the scripts of benchmarks/: what is named is there."""
    if words[0] == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(re.findall(r"dropbench\[(\w+)\]", " ".join(words))) <= set(extras)
    else:
        assert words[0] == "python", words
        name = words[2].replace(".", "/") if words[1] == "-m" else words[1].removesuffix(".py")
        file = next(path for path in (ROOT / f"{name}.py", ROOT / name / "__main__.py") if path.is_file())
        text = file.read_text(encoding="utf-8")
        assert all(f'"{word}"' in text for word in words if word.startswith("--")), file


def preamble(world: Path) -> dict[str, Any]:
    """Names that the documents use and do not define."""

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
    assert set(re.findall(r"\bdb\.(\w+)", text)) >= set(db.__all__) - {"Answer", "Run"}


AFTER: dict[str, Callable[[Path, str, str], None]] = {"docs/python.md": after_python_page}
PYTHON = {"README.md": "readme", "docs/python.md": "page", "docs/data.md": "table"}
"""The worlds of documents whose blocks train, or read what no other one has."""
WITH_PYTHON = sorted({b.document for b in BLOCKS if b.language == "python" and not b.file})


@pytest.mark.parametrize("document", WITH_PYTHON)
def test_the_python_of_a_document_runs(
    document: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Block after block, with the names of those before."""
    world = make(folder, PYTHON.get(document, "plain"))
    monkeypatch.chdir(world)
    known = preamble(world)
    ran = 0
    for block in BLOCKS:
        if block.document != document or block.language != "python" or block.file or block.not_run:
            continue
        text = IDS.sub(lambda _: run_id(world), block.text)
        text = re.sub(r"(db|dropbench)\.sweep\((?![^)]*epochs)", r"\1.sweep('train.epochs=1', 'seed=0,1', ", text)
        linecache.cache[f"<{block.name}>"] = (len(text), None, text.splitlines(keepends=True), f"<{block.name}>")
        exec(compile(text, f"<{block.name}>", "exec"), known)
        ran += 1
    assert ran
    if document in AFTER:
        AFTER[document](world, (ROOT / document).read_text(encoding="utf-8"), capsys.readouterr().out)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in ("yaml", "json")], ids=lambda b: b.name)
def test_yaml_and_json_are_what_they_are_shown_as(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study is planned; anything else is parsed, and files are what commands of the same document use."""
    tree = yaml.safe_load(block.body) if block.language == "yaml" else json.loads(block.text)
    assert isinstance(tree, dict) and tree
    if block.language == "yaml" and ("arms" in tree or "grid" in tree):
        world = make(folder, "empty")
        monkeypatch.chdir(world)
        study = world / "shown" / "study" / "shown.yaml"
        study.parent.mkdir(parents=True, exist_ok=True)
        study.write_text(f"# Shown\n{block.body}", encoding="utf-8")
        words = ["sweep", "--conf", "shown", "study=shown", "train.epochs=9", "device=cpu", "seed=0", "--dry-run"]
        said = typed(*words, *(worlds.FEW if "search" in tree else ()))
        assert said.endswith("exit code 0"), said


def test_every_block_has_a_language_and_every_mark_a_block() -> None:
    """So that none is passed over: output is text, and a mark that stands before no block marks nothing."""
    assert {block.language for block in BLOCKS} <= {"bash", "inline", "python", "yaml", "json", "text", "mermaid"}
    marks = sum(
        len(re.findall(r"(?<!`)<!-- not run: ", document.read_text(encoding="utf-8"))) for document in DOCUMENTS
    )
    assert marks == sum(block.not_run is not None for block in BLOCKS)
    assert len(RUNNABLE) > 100 and WITH_PYTHON


def test_files_that_are_shown_twice_are_the_same() -> None:
    shown: dict[str, str] = {}
    for block in worlds.shown_files():
        assert shown.setdefault(block.file or "", block.body) == block.body, block.name
