"""The only place that imports torchvision, and the common loader of its image data sets.

It is imported late, because this takes a second and most commands never need it. With a CPU-only torch,
`hardware/torchvision.py` makes the import work, also for a user's own import.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import importlib.util
import io
import logging
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from dropbench.data.base import Table
from dropbench.errors import UsageError

log = logging.getLogger(__name__)


@cache
def torchvision() -> ModuleType:
    """Returns the module torchvision, with its compiled operators if they can be loaded.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    spec = importlib.util.find_spec("torchvision")  # finds the folder without importing anything
    if spec is None or spec.origin is None:
        raise UsageError("this needs torchvision, which is not installed: pip install torchvision==0.28.0")
    return importlib.import_module("torchvision")


@cache
def kernels() -> ModuleType:
    """Returns torchvision.transforms.v2.functional: operations on images [..., C, H, W] without random draws."""
    torchvision()
    return importlib.import_module("torchvision.transforms.v2.functional")


def load_images(
    class_name: str,
    root: Path,
    download: bool,
    *,
    name: str,
    source: str,
    counts: tuple[int, int],
    shape: tuple[int, int, int],
) -> Table:
    """Returns the images of a torchvision data set as one table, [N, C, H, W] in 0..1, with the test split last.

    Parameters
    ----------
    class_name : str
        Class in `torchvision.datasets`, of the MNIST or the CIFAR family.
    root : Path
        Folder of all data sets.
    download : bool
        Whether missing files may be downloaded into `root`, or unpacked without network from archives that are there.
    name, source : str
        Name and source of the table.
    counts : tuple of int
        Numbers of training and test examples that the files must contain.
    shape : tuple of int
        (C, H, W) of the images that the files must contain.

    Raises
    ------
    UsageError
        If files are missing or damaged, or cannot be downloaded.
    """
    root = root.expanduser()
    if (whole := _idx_parts(root / class_name / "raw")) is not None:
        return _table(whole, name, source, root / class_name / "raw", counts, shape)
    cls = getattr(torchvision().datasets, class_name)
    files = _files(cls, root)
    try:
        parts = _parts(cls, name, root, download, files)
    except PermissionError as error:
        raise UsageError(f"data '{name}' in {root.absolute()}: permission denied for {error.filename}") from error
    return _table(parts, name, source, files[0].path.parent, counts, shape)


@dataclass(frozen=True)
class _Part:
    """The attributes of a torchvision data set from which a table is made."""

    data: torch.Tensor
    targets: torch.Tensor
    classes: range = range(10)


def _idx_parts(folder: Path) -> list[_Part] | None:
    """Reads training and test split of an MNIST-like set without torchvision, which takes a second to import.

    The files are a header followed by plain bytes. Returns None if one is missing or damaged; torchvision then downloads it
    or says what is wrong.
    """
    parts = []
    for half in ("train", "t10k"):
        images, labels = folder / f"{half}-images-idx3-ubyte", folder / f"{half}-labels-idx1-ubyte"
        try:
            if not (_whole_idx(images) and _whole_idx(labels)):
                return None
            shape = np.fromfile(images, ">u4", count=3, offset=4).tolist()
            pixels = torch.from_numpy(np.fromfile(images, np.uint8, offset=16)).view(shape)
            parts.append(_Part(pixels, torch.from_numpy(np.fromfile(labels, np.uint8, offset=8))))
        except (OSError, RuntimeError):
            return None
    return parts


def _parts(cls: Any, name: str, root: Path, download: bool, files: list[_File]) -> list[Any]:
    """Reads the training and the test data set by torchvision; raises UsageError if this fails."""
    missing = [f for f in files if not os.path.isfile(f.path)]
    if missing and not download:
        raise UsageError(_not_found(name, root, missing))
    if missing and not _writable(missing[0].path.parent):
        raise UsageError(_read_only(name, root))
    if missing:
        log.info("data %s: fetching into %s", name, root)
    else:  # torchvision compares the md5 itself if it knows it; once is enough, because a large set takes a while
        _reject_damaged(name, [f for f in files if f.md5 is None])
    try:
        with _quiet():
            return [cls(root, train=train, download=download) for train in (True, False)]
    except PermissionError:
        raise
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        _reject_damaged(name, files)
        sentence = _failed(name, root, error, files) if missing else _wrong(name, files[0].path.parent)
        raise UsageError(sentence) from error
    except (AssertionError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise UsageError(_wrong(name, files[0].path.parent)) from error


def _table(
    parts: list[Any], name: str, source: str, folder: Path, counts: tuple[int, int], shape: tuple[int, int, int]
) -> Table:
    """Makes one table from both splits; raises UsageError if they are not as expected for this data set."""
    n_classes = len(parts[0].classes)
    labels = [torch.as_tensor(part.targets, dtype=torch.int64) for part in parts]
    # uint8 is converted directly into its place, so that a large set is never in memory twice as float32.
    x = torch.empty(sum(counts), *shape)
    for part, rows, y, count in zip(parts, x.split(counts), labels, counts, strict=True):
        images = _chw(part.data)
        whole = images.shape == (count, *shape) and y.shape == (count,)
        if not whole or not 0 <= int(y.min()) <= int(y.max()) < n_classes:
            raise UsageError(_wrong(name, folder))
        rows.copy_(images)
    x.div_(255)
    test = torch.arange(counts[0], sum(counts))
    files = tuple(sorted(f for f in folder.iterdir() if f.is_file()))
    y = torch.cat(labels)
    return Table(name=name, x=x, y=y, axes="CHW", n_classes=n_classes, test=test, source=source, files=files)


def _chw(images: Any) -> torch.Tensor:
    """Returns images as [N, C, H, W]; in torchvision grey ones are tensors [N, H, W], colour ones arrays [N, H, W, C]."""
    x = torch.as_tensor(images)
    return x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _File:
    """A file that torchvision reads, its archive, and the md5 of each if torchvision knows it."""

    path: Path
    archive: Path
    md5: str | None = None
    archive_md5: str | None = None

    def damaged(self) -> bool:
        """Whether the file exists and has wrong content."""
        if not os.path.isfile(self.path):
            return False
        return not _matches(self.path, self.md5) if self.md5 else not _whole_idx(self.path)

    def archive_damaged(self) -> bool:
        return os.path.isfile(self.archive) and not _matches(self.archive, self.archive_md5)


def _files(cls: Any, root: Path) -> list[_File]:
    if hasattr(cls, "resources"):  # The MNIST family: one .gz for each file, and no checksum of the unpacked file.
        raw = root / cls.__name__ / "raw"
        return [_File(raw / gz.removesuffix(".gz"), raw / gz, archive_md5=md5) for gz, md5 in cls.resources]
    listed = [*cls.train_list, *cls.test_list, [cls.meta["filename"], cls.meta["md5"]]]
    folder, archive = root / cls.base_folder, root / cls.filename
    return [_File(folder / file, archive, md5, cls.tgz_md5) for file, md5 in listed]


def _matches(path: Path, md5: str | None) -> bool:
    return bool(torchvision().datasets.utils.check_integrity(path, md5))


def _whole_idx(path: Path) -> bool:
    """Returns whether an idx file of bytes has the length that its header says: type 8, number of axes, their lengths."""
    with path.open("rb") as file:
        head = file.read(16)
    axes = head[3] if len(head) >= 4 and head[:3] == b"\0\0\x08" else 0
    start = 4 + 4 * axes
    if axes not in (1, 3) or len(head) < start:
        return False
    size = 1
    for i in range(4, start, 4):
        size *= int.from_bytes(head[i : i + 4], "big")
    return path.stat().st_size == start + size


def _writable(folder: Path) -> bool:
    """Returns whether files can be written to this folder or, if it does not exist, whether it can be created."""
    folder = folder.absolute()
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    effective = os.access in os.supports_effective_ids
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides torchvision's progress bars and messages."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _reject_damaged(name: str, files: list[_File]) -> None:
    for file in files:
        if file.damaged():
            raise UsageError(
                f"data '{name}': {file.path} is damaged: delete it and download it again with data.download=true"
            )


_ELSEWHERE = "data.root=DIR or the environment variable DROPBENCH_DATA=DIR"


def _not_found(name: str, root: Path, missing: list[_File]) -> str:
    first = missing[0]
    if not all(os.path.isfile(f.archive) for f in missing):
        return (
            f"data '{name}' is not in {root.absolute()} (no {first.path.relative_to(root)}): download it with "
            f"data.download=true, or set its folder with {_ELSEWHERE}"
        )
    packed = f"data '{name}' is not yet unpacked in {first.archive.parent.absolute()}"
    if _writable(first.path.parent):
        return f"{packed}: unpack it there with data.download=true, which needs no network"
    return (
        f"{packed}, and this folder is read-only: copy it to a folder of your own, under the same names, and use "
        "data.root=DIR data.download=true"
    )


def _read_only(name: str, root: Path) -> str:
    return (
        f"data '{name}' cannot be downloaded, because {root.absolute()} is read-only: choose another folder with "
        f"{_ELSEWHERE}"
    )


def _failed(name: str, root: Path, error: BaseException, files: list[_File]) -> str:
    bad = next((f" ({f.archive} is damaged: delete it)" for f in files if f.archive_damaged()), "")
    reason = " ".join(str(error).split()) or type(error).__name__
    return (
        f"data '{name}' could not be downloaded into {root.absolute()}{bad}: check the network, "
        f"or copy the files there, or set their folder with {_ELSEWHERE} ({reason})"
    )


def _wrong(name: str, folder: Path) -> str:
    return (
        f"data '{name}': the files in {folder} do not contain the expected images and labels: delete them and "
        "download them again with data.download=true"
    )
