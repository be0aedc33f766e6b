"""Tensors on the disk: the same come back, the same bytes are written, and nothing else is taken for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dropbench.store import tensors
from dropbench.store.safely import Damaged
from dropbench.store.tensors import dumped

STACK = torch.arange(24.0).view(2, 3, 4)
HELD = {
    "weight": STACK[1],
    "the_same_memory": STACK[1],
    "transposed": STACK[0].T,
    "count": torch.tensor(7),
    "half": torch.tensor([0.1], dtype=torch.bfloat16),
    "empty": torch.empty(0, 3),
    "mask": torch.tensor([True, False]),
}
ABOUT = {"epoch": 3, "rates": {"hidden.0": 0.5}, "words": ["été", "the"]}


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    tensors.write(tmp_path / "a.safetensors", HELD, ABOUT)
    back, about = tensors.read(tmp_path / "a.safetensors")
    assert about == tensors.read_about(tmp_path / "a.safetensors") == ABOUT
    assert back.keys() == HELD.keys()
    for name, tensor in HELD.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_gradients_and_places_in_a_stack_do_not_matter() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3))
    assert dumped({"weight": weight[0]}, {}) == dumped({"weight": torch.ones(3)}, {})


def test_the_same_content_is_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib, torch; from dropbench.store.tensors import dumped;"
        "t = {n: torch.arange(3.) for n in 'cab'};"
        "print(hashlib.sha256(dumped(t, {n: [n] for n in 'xyzuvw'})).hexdigest())"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(written) == 1


def assert_damaged(content: bytes, folder: Path) -> None:
    """Whether its tensors are asked for, or only what is said of them."""
    (folder / "a.safetensors").write_bytes(content)
    for read in (tensors.read, tensors.read_about):
        with pytest.raises(Damaged):
            read(folder / "a.safetensors")


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 40, -1])
def test_what_was_cut_short_is_said(cut: int, tmp_path: Path) -> None:
    assert_damaged(dumped(HELD, ABOUT)[:cut], tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\0" * 64, b"PK\x03\x04" + b"a" * 60])
def test_what_is_something_else_is_said(content: bytes, tmp_path: Path) -> None:
    assert_damaged(content, tmp_path)


def test_tensors_of_others_are_not_ours(tmp_path: Path) -> None:
    from safetensors.torch import save

    for metadata in (None, {"format": "pt"}, {"dropbench": "["}, {"dropbench": "[]"}):
        assert_damaged(save({"a": torch.ones(2)}, metadata), tmp_path)


def test_a_pipe_or_a_folder_or_nothing_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "nothing"):
        for read in (tensors.read, tensors.read_about):
            with pytest.raises(Damaged):
                read(tmp_path / name)


def test_a_file_holds_the_bytes_of_the_same_content(tmp_path: Path) -> None:
    tensors.write(tmp_path / "a.safetensors", HELD, ABOUT)
    assert (tmp_path / "a.safetensors").read_bytes() == dumped(HELD, ABOUT)


LIMITED = """
import resource, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from dropbench.store import tensors
from dropbench.store.safely import Damaged
held = {"a": torch.ones(32 << 20)}  # 128 MiB
tensors.write(Path("small.safetensors"), {"a": torch.ones(3)}, {})  # what it takes is imported by now
kind, room = getattr(resource, sys.argv[1]), int(sys.argv[2])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if kind == resource.RLIMIT_AS else 0
resource.setrlimit(kind, (used + room, resource.RLIM_INFINITY))
try:
    tensors.write(Path("large.safetensors"), held, {})
    print("written")
    resource.setrlimit(kind, (used, resource.RLIM_INFINITY))
    tensors.read_about(Path("large.safetensors"))
except Damaged as error:
    print(error)
except OSError as error:
    print(type(error).__name__, error.strerror)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize(
    ("limit", "room", "told"),
    [
        # Room for a copy of the tensors and not for one as bytes beside it, without which safetensors ends the process.
        ("RLIMIT_AS", 200 << 20, "written\nthere is not enough memory to read it"),
        ("RLIMIT_FSIZE", 1 << 20, "OSError File too large"),
    ],
)
def test_no_room_in_memory_and_none_on_the_disk(tmp_path: Path, limit: str, room: int, told: str) -> None:
    command = [sys.executable, "-c", LIMITED, limit, str(room)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, told), ended.stderr
    assert {p.name for p in tmp_path.iterdir()} - {"small.safetensors"} == set(
        ["large.safetensors"] * (told.startswith("written"))
    )
