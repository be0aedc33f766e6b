"""Cora: a graph of papers and citations, the usual small data set for graph convolutional networks."""

from __future__ import annotations

import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from dropbench.data._files import folder_of, wrong
from dropbench.data._pickled import arrays_of
from dropbench.data.base import Graph, Table

_FILES = {
    "ind.cora.x": "190831eee19d8f330d89d94b40a65c5a",
    "ind.cora.tx": "b29c36916768e1d2f55391c1aa9317ac",
    "ind.cora.ty": "48bf43f54fa5b86089a4bd0299795f10",
    "ind.cora.allx": "c9083193a57057dd1238321e140194d7",
    "ind.cora.ally": "125d70817fe1fdbfdcad991995e81579",
    "ind.cora.graph": "b37c419cec179f45834467630c278e4c",
    "ind.cora.test.index": "9b822cae1d01f41e8bf8782e20367c0e",
}
_ADDRESS = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data"
_NODES, _WORDS, _ONES, _EDGES, _SPLIT = 2_708, 1_433, 49_216, 5_278, (140, 500, 1_000)
_DAMAGE = (
    OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError, NotImplementedError,
    UnpicklingError, BadZipFile, zlib.error,
)  # fmt: skip
"""Errors that may be raised when reading a damaged or wrong file."""

Arrays = dict[str, NDArray[Any]]
"""Arrays by name: features [N, F] of zeros and ones, labels [N], edges [E, 2], and the row numbers train, val and test."""


def load(root: Path, download: bool, *, split: Literal["full", "public"] = "full", row_normalise: bool = True) -> Table:
    """Returns 2,708 machine learning papers in 7 subjects, with features for 1,433 words, and 5,278 citations between them.

    Validation and test are the 500 and 1,000 papers of Planetoid (Yang et al. 2016). So a seed does not draw a split; it
    only changes initialisation, order and noise.

    Parameters
    ----------
    root : Path
        Folder of all data sets. `root`/cora/cora.npz is read if it exists (feature_row, feature_col, labels, edges,
        train_index, val_index, test_index), else Planetoid's files `root`/cora/ind.cora.*.
    download : bool
        Whether missing Planetoid files may be downloaded.
    split : {"full", "public"}
        full: all 1,208 other papers are for training, as in Chen et al. 2018 (FastGCN) and Rong et al. 2020
        (DropEdge). public: the 140 of Planetoid, 20 of each subject, as in Kipf and Welling 2017.
    row_normalise : bool
        Whether each paper's features are divided by their sum, as in Kipf and Welling 2017.

    Raises
    ------
    UsageError
        If files are missing or damaged, or cannot be downloaded.

    References
    ----------
    McCallum et al. 2000; Sen et al., "Collective classification in network data", 2008; Yang et al., "Revisiting
    semi-supervised learning with graph embeddings", 2016 (arXiv:1603.08861).
    """
    folder = root.expanduser() / "cora"
    try:
        if (folder / "cora.npz").is_file():
            arrays = _from_npz(folder / "cora.npz")
        else:
            arrays = _from_planetoid(folder_of("cora", root, _FILES, _ADDRESS if download else None))
    except _DAMAGE as error:
        raise wrong("cora", folder, "the expected graph") from error
    x = arrays["features"]
    sizes = tuple(len(arrays[part]) for part in ("train", "val", "test"))
    if (*x.shape, x.sum(), len(arrays["edges"]), sizes) != (_NODES, _WORDS, _ONES, _EDGES, _SPLIT):
        raise wrong("cora", folder, "the expected graph")
    if row_normalise:
        x = x / np.maximum(x.sum(1, keepdims=True), 1)
    train, val, test = (torch.from_numpy(arrays[part].astype(np.int64)) for part in ("train", "val", "test"))
    edges = np.sort(arrays["edges"], axis=1)
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    return Table(
        name="cora",
        x=torch.arange(len(labels))[:, None],
        y=labels,
        axes="N",
        n_classes=int(labels.max()) + 1,
        test=test,
        val=val,
        train=train if split == "public" else None,
        graph=Graph(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(edges.T.astype(np.int64)).contiguous()),
        source="Cora (McCallum et al. 2000; Sen et al. 2008), Planetoid split (Yang et al. 2016)",
    )


def _from_npz(file: Path) -> Arrays:
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
        labels = held["labels"]
        features = np.zeros((len(labels), int(held["num_features"])))
        features[held["feature_row"], held["feature_col"]] = 1
        split = {part: held[f"{part}_index"] for part in ("train", "val", "test")}
        return {"features": features, "labels": labels, "edges": held["edges"], **split}


def _from_planetoid(folder: Path) -> Arrays:
    """Reads Planetoid's files: the papers of `allx` are the first rows, those of `tx` the rows in `test.index`."""
    held = {part: arrays_of(folder / f"ind.cora.{part}") for part in ("x", "tx", "ty", "allx", "ally", "graph")}
    test = np.array((folder / "ind.cora.test.index").read_text().split(), dtype=np.int64)
    features = np.concatenate([held["allx"], held["tx"]]).astype(np.float64)
    labels = np.concatenate([held["ally"], held["ty"]]).argmax(1)
    first = len(held["ally"])
    rows = np.concatenate([np.arange(first), test])
    features[rows], labels[rows] = features.copy(), labels.copy()
    edges = {(min(a, b), max(a, b)) for a, others in held["graph"].items() for b in others if a != b}
    n_train = held["x"].shape[0]
    return {
        "features": features,
        "labels": labels,
        "edges": np.array(sorted(edges)),
        "train": np.arange(n_train),
        "val": np.arange(n_train, n_train + _SPLIT[1]),
        "test": np.sort(test),
    }
