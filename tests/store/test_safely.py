"""Whatever lies in a results folder, reading it ends: pipes, sockets, devices, endless and huge files, deep JSON, loops."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from stored import RUN, make

from dropbench.store import Skipped, Store, read, safely
from dropbench.store.reading import DEEPEST


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (pipe, "it is a pipe"),
    "socket": (bound, "it is a socket"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "terminal": (lambda path: path.symlink_to("/dev/tty"), "it is a device"),
    "folder": (Path.mkdir, "it is a folder"),
    "huge": (huge, "it is larger than 32 MiB"),
    "loop": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "deep": (lambda path: path.write_text("[" * 100_000), "not JSON"),
    "nested": (
        lambda path: path.write_text(json.dumps({"run_id": RUN, "schema": 2, "plan_id": "x", "config": _nested(200)})),
        f"nested deeper than {DEEPEST} levels",
    ),
    "digits": (lambda path: path.write_text("1" * 100_000), "not JSON"),
    "list": (lambda path: path.write_text("[]"), "not written by dropbench"),
}


def _nested(levels: int) -> object:
    tree: object = 1
    for _ in range(levels):
        tree = {"a": tree}
    return tree


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files there")
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_and_a_plan_may_be_anything(tmp_path: Path, kind: str) -> None:
    make_it, reason = KINDS[kind]
    store = Store(tmp_path)
    good = store.write(make(), [], "").name
    (tmp_path / "runs" / "bad").mkdir()
    make_it(tmp_path / "runs" / "bad" / "record.json")
    make_it(tmp_path / "plans" / "bad.json")
    loaded = store.load()
    assert [r.run_id for r in loaded.records] == [good]
    assert {s.path.name for s in loaded.skipped} == {"bad", "bad.json"}
    assert all(reason in s.reason for s in loaded.skipped), loaded.skipped
    assert not store.plans() and not store.is_done("bad") and not store.of_settings(["bad"])
    assert isinstance(read(tmp_path / "runs" / "bad"), Skipped)


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).write(make(), [], "")

    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    loaded = Store(tmp_path).load()
    assert loaded.records == []
    assert {(s.path.name, s.reason) for s in loaded.skipped} == {
        (name, "cannot be listed: Permission denied") for name in ("runs", "failed", "plans")
    }


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Store(tmp_path).write(make(), [], "")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    assert read(folder) == Skipped(folder, "record.json cannot be read: Permission denied")


def test_a_file_that_grows_while_it_is_read_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"a")
    monkeypatch.setattr(os, "read", lambda _, most: b"a" * most)
    with pytest.raises(OSError, match="larger than 1 MiB"):
        safely.content(tmp_path / "x", 1 << 20)


def test_content_is_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(os.urandom(3 << 20))
    assert safely.content(tmp_path / "x") == (tmp_path / "x").read_bytes()
