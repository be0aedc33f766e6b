"""Every command in README.md, CONTRIBUTING.md and docs/ works.

Sweeps are planned but not trained, single runs have one epoch, and reports read the runs of a miniature sweep. Commands that
cannot be run are marked in the document (see blocks.py) and skipped here with the reason given there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import worlds
from blocks import DOCUMENTS, ROOT, Block, blocks, commands, elided
from worlds import IDS, make, miniature, run_id, typed

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
DATA = {"cifar10": "cifar-10-batches-py", "fashion_mnist": "FashionMNIST", "mnist": "MNIST"}
WORLD_OF = {
    r".*mypkg.* data=csv": "own_table",
    r"report .*model=rnn": "rnn",
    r"report --interaction dropout,train.weight_decay$": "decayed",
    r"report .*(weight_decay|n_train)|report .*--confirm": "decay",
    r"report .*claims/ensembles": "ensembles",
    r"report .*--claims": "claims",
    r"report .*(locked|embedding)": "words",
    r"report study=advise": "advised",
    r"sweep .*--extend": "ended",
    r"report .*(regularizer|mixup)": "mixed",
    r"report .*--metric (ece|mc_loss)": "unsure",
    r"report .*--cols model": "models",
    r"report first second": "halves",
    r"report|runs|train --from": "plain",
}
"""The world whose stored runs a command uses, by pattern; the first match counts."""
TYPED = {
    " ".join(words): (block, words)
    for block in reversed(BLOCKS)
    if block.language in ("bash", "inline")
    for words in ([["not", "run", block.name]] if block.not_run else commands(block))
}
"""Each distinct command, with the block where it is first."""
LONG = ("study=cocktail", "timm:create_model", "claims/ensembles")
"""Commands that take tens of seconds even in miniature: `make test-slow` runs them."""
RUNNABLE = [
    pytest.param(
        *typed,
        id=f"{typed[0].name} {text[:60]}",
        marks=[pytest.mark.slow] if any(word in text for word in LONG) else [],
    )
    for text, typed in reversed(TYPED.items())
]


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
    if words[1] == "ui":  # serves until it is stopped, so only its help is checked
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
    for module in ("mypkg", "mypkg.net"):  # each world has its own module of this name
        sys.modules.pop(module, None)
    said = typed(*prepared(words[1:]))
    assert said.endswith("exit code 0"), said


def prepared(words: list[str]) -> list[str]:
    """Return the words after `dropbench`, changed so that they work here."""
    if words[0] in ("sweep", "train", "advise"):
        words = miniature(words)
    words = [word.replace("/shared/results", "shared_results") for word in words]
    if words[0] == "init":
        shutil.rmtree(words[1], ignore_errors=True)
    return [IDS.sub(lambda _: run_id(Path()), word) for word in words]


def other_program(words: list[str]) -> None:
    """Check that the targets of make, extras of pip, and scripts and options of benchmarks/ exist."""
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


def test_every_block_has_a_language_and_every_mark_a_block() -> None:
    """Check that no block is passed over: each has a known language, and each mark is before a block."""
    assert {block.language for block in BLOCKS} <= {"bash", "inline", "python", "yaml", "json", "text", "mermaid"}
    marks = sum(
        len(re.findall(r"(?<!`)<!-- not run: ", document.read_text(encoding="utf-8"))) for document in DOCUMENTS
    )
    assert marks == sum(block.not_run is not None for block in BLOCKS)
    assert len(RUNNABLE) > 100


def test_files_that_are_shown_twice_are_the_same() -> None:
    shown: dict[str, str] = {}
    for block in worlds.shown_files():
        assert shown.setdefault(block.file or "", block.body) == block.body, block.name
