"""Networks of a few lines, and of libraries, that know nothing of dropbench: each in three arms, to the report."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import plain_networks
import pytest
from terminal import dropbench
from training import made_table

SHORT = ("train.epochs=1", "seed=0,1", "device=cpu", "execute.workers=1", "train.batch_size=8", "data.n_train=12")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the networks in it, and steps and images as arrays."""
    shutil.copy(plain_networks.__file__, tmp_path / "folk.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "steps": ((6, 5), "TF"),
        "images": ((3, 32, 32), "CHW"),
    }
    for name, (shape, axes) in shapes.items():
        made = made_table(30, shape, 2, axes)
        np.savez(f"{name}.npz", x=made.x.numpy(), y=made.y.numpy())


def needs(package: str) -> Any:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package}")


VIT = ("model_name=vit_tiny_patch16_224", "img_size=32", "patch_size=16", "depth=1", "embed_dim=12")
MIXER = ("model_name=mixer_s32_224", "img_size=32")


@pytest.mark.parametrize(
    ("target", "args", "data", "words"),
    [
        ("folk:Rows", ("kind=LSTM",), "steps", ("dropout=locked",)),
        ("folk:Attended", (), "steps", ("dropout=attention",)),
        pytest.param(
            "torchvision.models:resnet18", (), "images", ("dropout=spatial", "model.sites=[layer3]"), marks=pytest.mark.slow
        ),
        pytest.param("timm:create_model", VIT, "images", ("dropout=standard",), marks=[needs("timm"), pytest.mark.slow]),
        pytest.param("timm:create_model", MIXER, "images", ("dropout=standard",), marks=[needs("timm"), pytest.mark.slow]),
    ],
)  # fmt: skip
def test_three_arms_to_the_report(
    target: str, args: tuple[str, ...], data: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("model=module", f"model.target={target}", *(f"model.args.{arg}" for arg in args))
    of = ("data=npz", f"data.path={data}.npz")
    swept = dropbench(capsys, "sweep", "study=three_arm", *words, *given, *of, *SHORT)
    assert swept.code == 0, swept.err
    own = "at rates of its own"  # a network may have dropout itself, which these arms replace
    assert "cannot tell" in swept.out and swept.err.count("Warning") == swept.err.count(own), swept.err
    rows = json.loads(dropbench(capsys, "report", "study=three_arm", "--format", "json").out)["rows"]
    assert [row["arm"] for row in rows] == ["none", "reduced", "target"]
    assert rows[1]["setting"] == f"{words[0].partition('=')[2]} 0.25"
    assert all((row["n"], row["failed"], row["diverged"]) == (2, 0, 0) for row in rows)
    assert len({row["train_loss_mean"] for row in rows}) == 3  # noise does something, and more of it another thing
