"""`dropbench init`: what it writes runs as it stands."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from terminal import dropbench

from dropbench.cli.new_project import customers

FAST = ("train.epochs=1", "seed=0,1", "execute.workers=1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    said = dropbench(capsys, "init", "mine")
    assert said.code == 0 and "cd mine\ndropbench sweep study=renewal --conf conf" in said.err
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.delitem(sys.modules, "net", raising=False)
    return tmp_path / "mine"


def test_every_command_of_its_readme_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = re.search(r"```bash\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    assert shell is not None
    commands = [shlex.split(line, comments=True)[1:] for line in shell[1].splitlines()]
    assert [words[0] for words in commands] == ["sweep", "report", "sweep"]
    swept = dropbench(capsys, *commands[0], *FAST)
    assert swept.code == 0, swept.err
    assert all(f" {arm} " in swept.out for arm in ("none", "little", "usual", "much"))
    assert dropbench(capsys, *commands[1]).code == 0
    assert "Does dropout help to tell who renews" in (project / "page.html").read_text()
    said = dropbench(capsys, *commands[2], *FAST, "--dry-run")
    assert said.code == 0 and "36 runs" in said.err, said  # 4 arms, 3 rates, 3 seeds


def test_its_rates_take_the_place_of_the_networks(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", "study=renewal", "--conf", "conf", "--dry-run")
    assert re.search(r"much module .* layers\.2=0\.5 layers\.5=0\.5", re.sub(r"\s+", " ", said.out)), said.out


@pytest.mark.parametrize(("name", "said"), [("mine", "mine is not empty"), ("mine/net.py", "mine/net.py is a file")])
def test_nothing_is_overwritten(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(project.parent)
    before = {f: f.read_bytes() for f in project.rglob("*") if f.is_file()}
    told = dropbench(capsys, "init", name)
    assert (told.code, told.err.startswith(f"Error: {said}: name a folder")) == (2, True)
    assert {f: f.read_bytes() for f in project.rglob("*") if f.is_file()} == before


def test_the_table_is_always_the_same() -> None:
    lines = customers().splitlines()
    assert len(lines) == 401 and customers() == customers()
    assert {line.rpartition(",")[2] for line in lines[1:]} == {"yes", "no"} and any(",," in line for line in lines)
