"""Penn Treebank: a made text of a few lines in its format, and the real one's published counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from dropbench.data import ptb
from dropbench.errors import UsageError

LINES = {
    "train": " the cat sat \n the dog sat on the cat \n",
    "valid": " the cat \n",
    "test": " on \n",
}
COUNTS = (11, 3, 2)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ptb").mkdir()
    for part, text in LINES.items():
        (tmp_path / "ptb" / f"ptb.{part}.txt").write_text(text)
    monkeypatch.setattr(ptb, "_COUNTS", COUNTS)
    return tmp_path


def test_by_hand(made: Path) -> None:
    table = ptb.load(made, False, window=2)
    # the 3; then twice each <eos>, cat, sat; then once each dog, on
    the, eos, cat, sat, dog, on = range(6)
    train = [the, cat, sat, eos, the, dog, sat, on, the, cat, eos]
    assert table.x[:, 0].tolist() == [*train, the, cat, eos, on, eos]
    assert table.x.dtype == table.y.dtype == torch.int64
    assert torch.equal(table.y[:-1], table.x[1:, 0])
    assert table.val is not None and table.val.tolist() == [11, 12, 13]
    assert table.test is not None and table.test.tolist() == [14, 15]
    assert (table.axes, table.n_classes, table.vocabulary, table.window) == ("W", 6, 6, 2)


def test_a_word_that_training_never_saw(made: Path) -> None:
    (made / "ptb" / "ptb.test.txt").write_text(" bird \n")
    with pytest.raises(UsageError, match="'bird' is in the validation or test text and not in the training text"):
        ptb.load(made, False)


def test_an_incomplete_file(made: Path) -> None:
    (made / "ptb" / "ptb.train.txt").write_text(" the cat sat \n")
    with pytest.raises(UsageError, match="do not contain 11, 3, 2 words, but 4, 3, 2: replace them by undamaged files"):
        ptb.load(made, False)


@pytest.mark.parametrize("download", [False, True])
def test_it_is_never_downloaded(download: bool, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"\(no ptb/ptb.train.txt\): dropbench does not download it, .*simple-examples"
    ):
        ptb.load(tmp_path, download)
    assert not list(tmp_path.iterdir())


def test_published_counts(real_root: Path) -> None:
    table = ptb.load(real_root, False)
    assert table.val is not None and table.test is not None
    assert [int(table.val[0]), len(table.val), len(table.test)] == [929_589, 73_760, 82_430]
    assert len(table.x) == 929_589 + 73_760 + 82_430
    assert (table.vocabulary, table.n_classes, table.window) == (10_000, 10_000, 35)
    assert (table.x.min(), table.x.max()) == (0, 9_999)
    train = table.x[: table.val[0], 0].bincount()
    assert (train.diff() <= 0).all() and train.min() >= 1
    # "no it was n't black monday", the first line of the test text, after the most frequent word of all.
    words = (real_root / "ptb" / "ptb.train.txt").read_text().replace("\n", "<eos>").split()
    by_number = {int(i): w for i, w in zip(table.x[: len(words), 0].tolist(), words, strict=True)}
    assert [by_number[i] for i in table.x[table.test[:6], 0].tolist()] == ["no", "it", "was", "n't", "black", "monday"]
    assert by_number[0] == "the"


def test_a_truncated_real_file(real_root: Path, tmp_path: Path) -> None:
    shutil.copytree(real_root / "ptb", tmp_path / "ptb")
    with (tmp_path / "ptb" / "ptb.test.txt").open("rb+") as file:
        file.truncate(400_000)
    with pytest.raises(UsageError, match="do not contain 929,589, 73,760, 82,430 words, but"):
        ptb.load(tmp_path, False)
