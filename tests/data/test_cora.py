"""Cora: a made graph in both formats, the real one's published counts, and pickles that would run code."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from dropbench.data import cora
from dropbench.errors import UsageError

NODES, WORDS, N_TRAIN, N_VAL, N_TEST = 12, 5, 3, 4, 3


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Roots of the same made graph as cora.npz and as Planetoid's files, whose test rows are out of order there."""
    random = np.random.default_rng(0)
    ones = (random.random((NODES, WORDS)) < 0.4).astype(np.float32)
    ones[3] = 0  # a paper without a word
    labels = np.arange(NODES) % 3
    edges = np.array([[0, 1], [0, 5], [2, 11], [3, 4], [9, 10]])
    parts = {"train": np.arange(N_TRAIN), "val": np.arange(N_TRAIN, N_TRAIN + N_VAL), "test": np.arange(9, 12)}
    for constant, value in (
        ("_NODES", NODES), ("_WORDS", WORDS), ("_ONES", ones.sum()), ("_EDGES", 5), ("_SPLIT", (N_TRAIN, N_VAL, N_TEST)),
    ):  # fmt: skip
        monkeypatch.setattr(cora, constant, value)
    npz, planetoid = tmp_path / "npz" / "cora", tmp_path / "planetoid" / "cora"
    npz.mkdir(parents=True)
    planetoid.mkdir(parents=True)
    row, col = ones.nonzero()
    split: dict[str, Any] = {f"{part}_index": rows for part, rows in parts.items()}
    held = {"feature_row": row, "feature_col": col, "num_features": WORDS, "labels": labels, "edges": edges}
    np.savez(npz / "cora.npz", **held, **split)
    one_hot = np.eye(3, dtype=np.int32)[labels]
    shuffled = [10, 9, 11]
    links = defaultdict(list, {i: [] for i in range(NODES)})
    for a, b in edges.tolist():
        links[a].append(b)
        links[b].append(a)
    links[4] += [4, 3]  # Planetoid's graph has loops and repeats
    for name, value in {
        "x": csr_matrix(ones[:N_TRAIN]),
        "allx": csr_matrix(ones[:9]),
        "ally": one_hot[:9],
        "tx": csr_matrix(ones[shuffled]),
        "ty": one_hot[shuffled],
        "graph": links,
    }.items():
        (planetoid / f"ind.cora.{name}").write_bytes(pickle.dumps(value, protocol=3))
    (planetoid / "ind.cora.test.index").write_text("".join(f"{i}\n" for i in shuffled))
    return npz.parent, planetoid.parent


@pytest.mark.parametrize("split", ["full", "public"])
def test_both_formats_give_one_table(both: tuple[Path, Path], split: Any) -> None:
    one, other = (cora.load(root, False, split=split) for root in both)
    assert one.fingerprint == other.fingerprint
    assert one.graph is not None and other.graph is not None
    assert torch.equal(one.graph.edges, torch.tensor([[0, 0, 2, 3, 9], [1, 5, 11, 4, 10]]))
    assert torch.equal(one.graph.features, other.graph.features)
    assert one.y.tolist() == other.y.tolist() == [i % 3 for i in range(NODES)]
    assert one.x.tolist() == [[i] for i in range(NODES)]
    assert one.val is not None and one.val.tolist() == [3, 4, 5, 6]
    assert one.test is not None and one.test.tolist() == [9, 10, 11]
    assert (one.train is None) is (split == "full")


def test_rows_sum_to_one_unless_there_is_nothing_in_them(both: tuple[Path, Path]) -> None:
    one, raw = (cora.load(both[0], False, row_normalise=on).graph for on in (True, False))
    assert one is not None and raw is not None
    sums = raw.features.sum(1)
    assert set(raw.features.flatten().tolist()) == {0.0, 1.0} and sums[3] == 0
    torch.testing.assert_close(one.features.sum(1), (sums > 0).float())
    torch.testing.assert_close(one.features * sums[:, None], raw.features)


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_a_pickle_that_would_run_code_does_not(both: tuple[Path, Path], tmp_path: Path) -> None:
    root, trace = both[1], tmp_path / "trace"
    (root / "cora" / "ind.cora.graph").write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(UsageError, match=r"do not contain the expected graph"):
        cora.load(root, False)
    assert not trace.exists()
    pickle.loads((root / "cora" / "ind.cora.graph").read_bytes())
    assert trace.exists()  # so it would have


class Disordered:
    """A type of NumPy whose flags say that its numbers are objects: set up so, it breaks every array of the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return np.dtype, ("i4", False, True), (3, "<", None, None, None, -1, -1, 63)


def test_a_pickle_does_not_set_up_types_of_numpy(both: tuple[Path, Path]) -> None:
    file = both[1] / "cora" / "ind.cora.graph"
    file.write_bytes(pickle.dumps(Disordered(), protocol=2))
    with pytest.raises(UsageError, match=r"do not contain the expected graph"):
        cora.load(both[1], False)
    assert not np.dtype("i4").hasobject and np.sort(np.array([2, 1], dtype="i4")).tolist() == [1, 2]


@pytest.mark.parametrize("kind", [0, 1])
def test_damage_is_a_sentence(both: tuple[Path, Path], kind: int) -> None:
    file = both[kind] / "cora" / ("cora.npz", "ind.cora.tx")[kind]
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"<html>not found</html>"):
        file.write_bytes(broken)
        with pytest.raises(UsageError, match=r"data 'cora': the files in .*cora do not contain the expected graph"):
            cora.load(both[kind], False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_any_bytes_that_differ_are_a_graph_or_a_sentence(both: tuple[Path, Path], data: st.DataObject) -> None:
    """Numbers of rows and columns too: scipy writes where they point, and a process once ended there."""
    kind = data.draw(st.integers(0, 1))
    names = ["cora.npz"], ["ind.cora.tx", "ind.cora.allx", "ind.cora.ally", "ind.cora.graph", "ind.cora.test.index"]
    file = both[kind] / "cora" / data.draw(st.sampled_from(names[kind]))
    whole = file.read_bytes()
    broken = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        broken[place] = data.draw(st.integers(0, 255))
    try:
        file.write_bytes(bytes(broken))
        with contextlib.suppress(UsageError):
            cora.load(both[kind], False)
    finally:
        file.write_bytes(whole)


def test_an_index_beyond_the_matrix_is_a_sentence(both: tuple[Path, Path]) -> None:
    far = csr_matrix((np.ones(1, np.float32), np.array([10**8]), np.array([0, 1])), shape=(1, 10**8 + 1))
    far._shape = (1, WORDS)
    (both[1] / "cora" / "ind.cora.tx").write_bytes(pickle.dumps(far, protocol=3))
    with pytest.raises(UsageError, match="do not contain the expected graph"):
        cora.load(both[1], False)


def test_a_damaged_archive_is_a_sentence(both: tuple[Path, Path]) -> None:
    file = both[0] / "cora" / "cora.npz"
    with np.load(file) as held:
        np.savez_compressed(file, **{name: held[name] for name in held.files})
    whole = file.read_bytes()
    start = whole.index(b"labels.npy") + 40
    file.write_bytes(whole[:start] + b"\xff" * 8 + whole[start + 8 :])
    with pytest.raises(UsageError, match="do not contain the expected graph"):
        cora.load(both[0], False)


def test_download(both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\(no cora/ind.cora.x\): download it with data.download=true"):
        cora.load(tmp_path / "new", False)
    far = both[1] / "cora"
    monkeypatch.setattr(cora, "_ADDRESS", far.as_uri())
    monkeypatch.setattr(cora, "_FILES", {f: hashlib.md5((far / f).read_bytes()).hexdigest() for f in cora._FILES})
    assert cora.load(tmp_path / "new", True).fingerprint == cora.load(both[0], False).fingerprint


def test_published_counts(real_root: Path) -> None:
    table = cora.load(real_root, False, split="public", row_normalise=False)
    assert table.graph is not None and table.train is not None and table.val is not None and table.test is not None
    assert table.graph.features.shape == (2_708, 1_433) and table.graph.features.sum() == 49_216
    assert table.graph.edges.shape == (2, 5_278) and table.n_classes == 7
    a, b = table.graph.edges
    assert (a < b).all() and len(set(zip(a.tolist(), b.tolist(), strict=True))) == 5_278
    assert [len(part) for part in (table.train, table.val, table.test)] == [140, 500, 1_000]
    assert table.y[table.train].bincount().tolist() == [20] * 7
    # Four in five links are between papers on one subject (Pei et al. 2020 print an edge homophily of 0.81).
    assert round(float((table.y[a] == table.y[b]).double().mean()), 2) == 0.81


@pytest.mark.parametrize("split", ["full", "public"])
def test_the_real_graph_is_the_same_from_planetoids_files(split: Any, real_root: Path, tmp_path: Path) -> None:
    (tmp_path / "cora").mkdir()
    for file in cora._FILES:
        (tmp_path / "cora" / file).write_bytes((real_root / "cora" / file).read_bytes())
    assert cora.load(tmp_path, False, split=split).fingerprint == cora.load(real_root, False, split=split).fingerprint


def test_md5s_are_those_of_the_files(real_root: Path) -> None:
    for file, md5 in cora._FILES.items():
        assert hashlib.md5((real_root / "cora" / file).read_bytes()).hexdigest() == md5
