"""Data of the library `datasets`: tables, pictures and texts, from a folder or a file; skipped where it is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from own_tables import mixed

from dropbench.data.base import Table
from dropbench.data.checked import checked
from dropbench.data.hf import load
from dropbench.errors import UsageError

N = 40


def test_where_it_is_not_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"data=hf needs the package datasets: pip install 'dropbench\[hf\]'"):
        load(Path(), False, path="x")


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return pytest.importorskip("datasets")


def loaded(folder: Path, made: Any, **options: Any) -> Table:
    made.save_to_disk(str(folder / "my_set"))
    return checked(load(folder, False, path="my_set", **options), "hf")


def test_a_table_is_that_of_its_csv(datasets: Any, tmp_path: Path) -> None:
    from own_tables import loaded as of_csv

    frame = mixed(N)
    table = loaded(tmp_path, datasets.Dataset.from_pandas(frame), target="y")
    other = of_csv(tmp_path, frame)
    assert table.columns == other.columns and torch.equal(table.x, other.x) and torch.equal(table.y, other.y)
    assert table.name == "my_set" and table.prepared is not None


def test_named_classes_and_splits(datasets: Any, tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["no", "yes"])

    def part(n: int) -> Any:
        columns = {"a": np.arange(n) / 7, "kind": np.arange(n) % 2, "label": np.arange(n) % 2}
        features = datasets.Features(
            a=datasets.Value("float64"), kind=datasets.ClassLabel(names=["u", "v"]), label=label
        )
        return datasets.Dataset.from_dict(columns, features=features)

    parts = datasets.DatasetDict(train=part(20), validation=part(6), test=part(8))
    table = loaded(tmp_path, parts)
    assert table.classes == ("no", "yes") and "kind=u" in table.columns
    assert table.val is not None and table.val.tolist() == list(range(20, 26))
    assert table.test is not None and table.test.tolist() == list(range(26, 34))


def test_pictures(datasets: Any, tmp_path: Path) -> None:
    from PIL import Image

    pictures = [Image.new("RGB", (5, 5), (60 * i, 0, 0)) for i in range(4)]
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    made = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1, 0, 1]}, features=features)
    table = loaded(tmp_path, made, size=4)
    assert (table.axes, table.shape, table.classes) == ("CHW", (3, 4, 4), ("a", "b"))
    assert table.x[:, 0, 0, 0].mul(255).round().tolist() == [0, 60, 120, 180]


def test_texts(datasets: Any, tmp_path: Path) -> None:
    texts = [f"this film is {'good' if i % 2 else 'bad'} I say" for i in range(N)]
    made = datasets.Dataset.from_dict({"text": texts, "label": ["+" if i % 2 else "-" for i in range(N)]})
    table = loaded(tmp_path, made, length=8)
    assert (table.axes, table.shape, table.classes) == ("T", (8,), ("+", "-"))
    assert table.words is not None
    assert [" ".join(table.words[w] for w in row if w) for row in table.x.tolist()] == [t.lower() for t in texts]
    with pytest.raises(UsageError, match="'label' is data\\.target already"):
        load(tmp_path, False, path="my_set", input="label")


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_files(datasets: Any, ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(N) / 7, "target": ["u", "v"] * (N // 2)})
    file = tmp_path / f"my.{ending}"
    if ending == "csv":
        frame.to_csv(file, index=False)
    elif ending == "parquet":
        frame.to_parquet(file)
    else:
        frame.to_json(file, orient="records", lines=True)
    table = checked(load(tmp_path, False, path=str(file)), "hf")
    assert (table.name, table.columns, table.classes) == ("my", ("a",), ("u", "v"))


def test_rows_without_a_label_are_left_out(datasets: Any, tmp_path: Path) -> None:
    """Test splits on the hub often have -1 for all labels."""
    label = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features(a=datasets.Value("float64"), label=label)
    train = datasets.Dataset.from_dict({"a": np.arange(20.0), "label": np.arange(20) % 2}, features=features)
    hidden = datasets.Dataset.from_dict({"a": np.arange(5.0), "label": [-1] * 5}, features=features)
    table = loaded(tmp_path, datasets.DatasetDict(train=train, test=hidden), target="label")
    assert len(table.y) == 20 and table.test is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": None}, "data.path is not set"),
        ({"path": "imdb"}, "data.path=imdb: there is no such file or folder; .* add data.download=true"),
        ({"path": "."}, "cannot be read by datasets"),
        ({"path": "my.txt"}, "its ending is not one of .csv"),
        ({"path": "my.csv"}, "data.target is not set: .* the columns are a, b"),
        ({"path": "my.csv", "target": "A"}, "did you mean 'a'"),
        ({"path": "my.csv", "target": "b", "input": "a"}, "contains neither pictures nor texts"),
    ],
)
def test_what_does_not_fit_is_told(datasets: Any, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    pd.DataFrame({"a": np.arange(N) / 7, "b": ["u", "v"] * (N // 2)}).to_csv(tmp_path / "my.csv", index=False)
    (tmp_path / "my.txt").touch()
    with pytest.raises(UsageError, match=message):
        load(tmp_path, False, **options)
