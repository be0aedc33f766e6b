"""Movie reviews: made sentences in the format of the real files, and the real ones' published counts."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import torch

from dropbench.data import mr
from dropbench.data.sentences import PADDING, UNKNOWN
from dropbench.errors import UsageError

# An é and an ellipsis as cp1252 has them; the latter is a line end to those who take it for latin-1.
NEGATIVE = "a bad film \na bad clich\xe9 \u2026 bad \n".encode("cp1252")
POSITIVE = b"a film \nfilm film film film film film good \n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mr").mkdir()
    (tmp_path / "mr" / "rt-polarity.neg").write_bytes(NEGATIVE)
    (tmp_path / "mr" / "rt-polarity.pos").write_bytes(POSITIVE)
    monkeypatch.setattr(mr, "_COUNT", 2)
    return tmp_path


def test_by_hand(made: Path) -> None:
    table = mr.load(made, False, length=5, min_count=2)
    film, a, bad = 2, 3, 4  # 8, and 3 each
    rare = UNKNOWN
    assert table.x.tolist() == [
        [0, 0, a, bad, film],
        [a, bad, rare, rare, bad],
        [0, 0, 0, a, film],
        [film, film, film, film, rare],
    ]
    assert table.x.dtype == torch.int64
    assert table.y.tolist() == [0, 0, 1, 1]
    assert (table.axes, table.n_classes, table.vocabulary, table.test, table.val) == ("T", 2, 5, None, None)


def test_every_word_has_a_number_of_its_own_without_a_minimum(made: Path) -> None:
    table = mr.load(made, False, length=7, min_count=1)
    assert table.vocabulary == 2 + 6 and (table.x != UNKNOWN).all()


def test_an_incomplete_file(made: Path) -> None:
    (made / "mr" / "rt-polarity.pos").write_bytes(POSITIVE[:8])
    with pytest.raises(UsageError, match=r"data 'mr': the files in .*mr do not contain 2 sentences each"):
        mr.load(made, False)


def test_download(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\(no mr/rt-polarity.neg\): download it with data.download=true"):
        mr.load(tmp_path / "new", False)
    monkeypatch.setattr(mr, "_ADDRESS", (made / "mr").as_uri())
    with pytest.raises(UsageError, match=r"is not the expected file"):  # the made one, by the real one's md5
        mr.load(tmp_path / "new", True)
    contents = {"rt-polarity.neg": NEGATIVE, "rt-polarity.pos": POSITIVE}
    monkeypatch.setattr(mr, "_FILES", {name: hashlib.md5(content).hexdigest() for name, content in contents.items()})
    assert mr.load(tmp_path / "new", True).fingerprint == mr.load(made, False).fingerprint


def test_published_counts(real_root: Path) -> None:
    table = mr.load(real_root, False)
    assert table.y.bincount().tolist() == [5_331, 5_331]
    assert table.x.shape == (10_662, 40)
    padding = (table.x == PADDING).long()
    assert (padding.diff(dim=1) <= 0).all() and (padding[:, -1] == 0).all()  # on the left, and never at the end
    whole = mr.load(real_root, False, length=60, min_count=1)
    lengths = (whole.x != PADDING).sum(1)
    assert (int(lengths.min()), int(lengths.max()), round(float(lengths.double().mean()), 1)) == (1, 59, 21.0)
    assert round(float((lengths <= 40).double().mean()), 2) == 0.97
    counts = Counter(whole.x.flatten().tolist())
    assert whole.vocabulary == 2 + 21_420 and table.vocabulary == 2 + 10_380
    assert sum(1 for word, n in counts.items() if word > 1 and n >= 2) == 10_380
    rest = (table.x != UNKNOWN) & (table.x != PADDING)
    assert torch.equal(table.x[rest], whole.x[:, -40:][rest])  # frequent words have the same number either way
