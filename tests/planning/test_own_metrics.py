"""A user's metric whose result has the wrong shape or type is told when it is planned, not at the first evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import dropbench

METRICS = """
def scalar(logits, targets):
    return (logits.argmax(-1) == targets).float().mean()


def rows(logits, targets):
    return (logits.argmax(-1) == targets).float()


def number(logits, targets):
    return 0.5


def right(logits, targets):
    return (logits.argmax(-1) == targets).float().mean(1)
"""
YAML = (
    "# mine\n{0}:\n  _target_: planned_metrics.{0}\n  name: {0}\n  version: 1\n  direction: higher\n  range: [0, 1]\n"
)


@pytest.mark.parametrize(
    ("name", "gives"),
    [("scalar", "the shape []"), ("rows", "the shape [2, "), ("number", "a float"), ("right", None)],
)
def test_a_metric_of_ones_own_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, gives: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "metric").mkdir(parents=True)
    (tmp_path / "own" / "planned_metrics.py").write_text(METRICS)
    (tmp_path / "own" / "metric" / f"{name}.yaml").write_text(YAML.format(name) + "  unit: ''\n  region: 1%\n")
    words = ("data=digits", "data.n_train=60", "device=cpu", "--conf", "own", f"metric=[loss,accuracy,{name}]")
    said = dropbench(capsys, "sweep", "study=three_arm", *words, "--dry-run", "--no-estimate")
    if gives is None:
        assert said.code == 0, said.err
    else:
        assert said.code == 2 and said.err.count("\n") == 1
        assert f"metric={name} returns {gives}" in said.err and "must return one number for each" in said.err
    assert not (tmp_path / "results").exists()
