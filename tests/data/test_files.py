"""Files of small data sets: found, fetched with a check, or a sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dropbench.data._files import folder_of
from dropbench.errors import UsageError

CONTENT = {"a.txt": b"first\n", "b.txt": b"second\n"}
FILES = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}


@pytest.fixture
def address(tmp_path: Path) -> str:
    (tmp_path / "far").mkdir()
    for name, content in CONTENT.items():
        (tmp_path / "far" / name).write_bytes(content)
    return (tmp_path / "far").as_uri()


def test_fetches_what_is_missing_and_nothing_else(address: str, tmp_path: Path) -> None:
    (tmp_path / "near" / "made").mkdir(parents=True)
    (tmp_path / "near" / "made" / "a.txt").write_bytes(b"mine\n")
    folder = folder_of("made", tmp_path / "near", FILES, address)
    assert folder == tmp_path / "near" / "made"
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {"a.txt": b"mine\n", "b.txt": b"second\n"}
    assert folder_of("made", tmp_path / "near", FILES, None) == folder


def test_without_download_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        folder_of("made", tmp_path, FILES, None)
    assert str(error.value) == (
        f"data 'made' is not in {tmp_path} (no made/a.txt): download it with data.download=true, or set its folder with "
        "data.root=DIR or the environment variable DROPBENCH_DATA=DIR"
    )


def test_a_wrong_file_is_not_kept(address: str, tmp_path: Path) -> None:
    (tmp_path / "far" / "b.txt").write_bytes(b"404: not found")
    with pytest.raises(UsageError, match=r"far/b.txt is not the expected file"):
        folder_of("made", tmp_path, FILES, address)
    assert [f.name for f in (tmp_path / "made").iterdir()] == ["a.txt"]


def test_no_network_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"could not be downloaded from file:.*check the network"):
        folder_of("made", tmp_path, FILES, (tmp_path / "nowhere").as_uri())
    assert not (tmp_path / "made").exists()


def test_a_place_that_cannot_be_written_is_a_sentence(address: str, tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"cannot be saved in .*made .*: choose another folder"):
        folder_of("made", tmp_path, FILES, address)
