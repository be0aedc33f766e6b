from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dropbench.execute import environment


def test_the_commit_is_that_of_the_checkout_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.git_commit.cache_clear()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "dropbench" / "execute" / "environment.py"))
    assert environment.git_commit() is None
    (tmp_path / ".git").mkdir()  # a checkout that git cannot read
    environment.git_commit.cache_clear()
    assert environment.git_commit() is None
    (tmp_path / ".git").rmdir()

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        told = subprocess.run(["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True)
        return told.stdout.strip()

    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    git("tag", "v1", "-m", "which is not named")
    for text, ending in (("one", ""), ("two", "-dirty")):
        (tmp_path / "file").write_text(text)
        environment.git_commit.cache_clear()
        assert environment.git_commit() == git("rev-parse", "HEAD")[:12] + ending
    environment.git_commit.cache_clear()
