"""Worlds: folders in which the documents' commands work, with a reader's files and stored runs of a miniature sweep."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from blocks import DOCUMENTS, Block, blocks
from PIL import Image

from dropbench.cli.app import main

IDS = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12}\b")
"""A pattern for ids of runs, which are replaced by the id of a stored run."""
N = 60
SMALL = ("train.epochs=1", "device=cpu", "execute.workers=1", "--quiet")
FEW = ("study.search.budget=2", "study.search.seeds=1", "study.search.rungs=1")
WINE = ("data=wine", "model.widths=[4]", "seed=0,1", *SMALL)

WORLDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "empty": (),
    "readme": (),
    "page": (),
    "plain": (("study=three_arm", *WINE, "train.save=best"),),
    "rnn": (("study=three_arm", "model=rnn", "dropout=locked", "data.n_train=40", "seed=0,1", *SMALL),),
    "decay": (
        (
            *("data=digits", "data.n_train=100,400", "dropout=none,standard", "dropout.rate=0.2,0.4"),
            *("train.weight_decay=0,0.1", "model.widths=[4]", "seed=range(0,6)", *SMALL),
        ),
    ),
    "decayed": (
        ("dropout=none,standard", "train.weight_decay=0,0.1", "data=wine", "model.widths=[4]", "seed=0,1", *SMALL),
    ),
    "own_table": (),
    "claims": (("study=claims/overfitting", "model.widths=[4]", "study.pilot=range(900,902)", "seed=0,1", *SMALL),),
    "ensembles": (("study=claims/ensembles", "model.widths=[4]", "study.pilot=null", "seed=range(0,10)", *SMALL),),
    "words": (
        (
            *("model=rnn", "data=mr", "dropout=none,locked,embedding,[locked,embedding]", "dropout.locked.rate=0.3"),
            *("dropout.embedding.rate=0.1", "data.n_train=20", "train.eval_every=1", "seed=0,1", *SMALL),
        ),
    ),
    "ended": (
        (
            *("study=three_arm", "data.n_train=300", "train.epochs=10", "train.extendable=true", "seed=0"),
            *("device=cpu", "execute.workers=1", "--quiet"),
        ),
    ),
    "advised": (("study=advise", *WINE),),
    "mixed": (("regularizer=none,[mixup],[sam]", "dropout=none,standard", *WINE),),
    "unsure": (("dropout=none,standard", "eval.mode=mc", "eval.passes=2", "metric=[loss,accuracy,ece]", *WINE),),
    "models": (("dropout=none,standard", "model=mlp,rnn", "data.n_train=40", "seed=0,1", *SMALL),),
    "halves": (
        ("study=three_arm", *WINE, "results=first"),
        ("study=three_arm", *WINE[:2], "seed=2,3", *SMALL, "results=second"),
    ),
    "table": (
        (
            "study=three_arm",
            "data=csv",
            "data.path=my.csv",
            "data.target=diagnosis",
            "seed=0",
            *SMALL,
            "train.save=best",
        ),
    ),
}
"""The sweeps that are run in each world when it is created."""


TABULAR = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, in_features, n_classes):
        super().__init__(nn.Linear(in_features, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, n_classes))
"""
"""The network for commands that train on a table, because the network of docs/models.md is for images."""


def make(folder: Path, world: str) -> Path:
    """Return the folder of a world, which is created inside `folder` on the first call."""
    made = folder / world
    if not made.exists():
        made.mkdir()
        bring(made)
        if world == "own_table":
            (made / "mypkg" / "net.py").write_text(TABULAR, encoding="utf-8")
        for words in WORLDS[world]:
            with contextlib.chdir(made):
                said = typed("sweep", *words)
            assert said.endswith("exit code 0"), said
    return made


def typed(*words: str) -> str:
    """Run a command and return its output, with the exit code at the end."""
    out = io.StringIO()
    with (
        patch.object(sys, "argv", ["dropbench", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
    return f"{out.getvalue()}\nexit code {code}"


def bring(folder: Path) -> None:
    """Create the files that the documents assume a reader to have, and the files that they show."""
    draw = np.random.default_rng(0)
    tables(draw, folder)
    for i in range(N):
        file = folder / "my_pictures" / ("cats", "dogs")[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (26, 30, 3), dtype=np.uint8)).save(file)
    for block in shown_files():
        file = folder / (block.file or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.body, encoding="utf-8")


def tables(draw: np.random.Generator, folder: Path) -> None:
    """Create CSV files with the columns that the documents name."""
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
    frame.assign(target=frame["diagnosis"], y=draw.choice(["no", "yes"], N)).to_csv(folder / "my.csv", index=False)
    frame.assign(target="ill", y="no").iloc[:20].to_csv(folder / "test.csv", index=False)
    frame.drop(columns="diagnosis").assign(target="ill", y="no").to_csv(folder / "new.csv", index=False)
    concrete = pd.DataFrame({"cement": draw.normal(size=N), "compressive_strength": draw.normal(size=N)})
    concrete.to_csv(folder / "concrete.csv", index=False)
    kinds = pd.DataFrame({"a": draw.normal(size=N), "b": draw.normal(size=N), "kind": np.arange(N) % 3})
    kinds.to_csv(folder / "mine.csv", index=False)


def shown_files() -> list[Block]:
    """Return the blocks that are files, such as `# mine/small.py`, except those of dropbench's conf/."""
    found = [block for document in DOCUMENTS for block in blocks(document) if block.file]
    return [block for block in found if not (block.file or "").startswith("conf/")]


def run_id(folder: Path) -> str:
    """Return the id of a stored run, preferably of one with stored weights."""
    runs = sorted(
        (folder / "results" / "runs").iterdir(), key=lambda run: (not (run / "weights.safetensors").exists(), run)
    )
    return runs[0].name


def miniature(words: Sequence[str]) -> list[str]:
    """Return the words of a much shorter command: few seeds and one epoch, and a sweep is only planned."""
    small = {"seed": "seed=0", "--at-most": "--at-most"}
    words = [small.get(word.partition("=")[0], word) for word in words]
    words = ["10" if before == "--at-most" else word for before, word in zip(["", *words], words, strict=False)]
    if "--from" in words:
        return list(words)
    words = [word.replace("claims/*", "claims/over*") for word in words]
    given = {word.partition("=")[0] for word in words}
    extra = ["device=cpu"]
    if not given & {"train.epochs", "train.updates", "--minutes", "train.cycles"}:
        extra.append("train.epochs=1")
    if words[0] in ("sweep", "advise"):
        extra += [] if "--dry-run" in given else ["--dry-run"]
        extra += [] if given & {"seed", "--until-settled"} or words[0] == "advise" else ["seed=0"]
        extra += FEW if {"study=cocktail", "study=searched"} & set(words) else ()
    elif "--cfg" not in given:
        extra += [] if "data.n_train" in given else ["data.n_train=40"]
    return [*words, *extra]
