"""Importing torchvision beside any torch, and what its image sets say when their files are not as they should be.

Small files in torchvision's own formats stand in for the real sets; test_real_sets.py has those.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dropbench.data import _torchvision
from dropbench.data._torchvision import load_images, torchvision
from dropbench.data.base import Table
from dropbench.errors import UsageError
from dropbench.hardware import torchvision as before

COUNTS = (30, 10)
RAW = Path("MNIST/raw")
TRAIN_IMAGES = RAW / "train-images-idx3-ubyte"


def mnist(root: Path, download: bool = False, counts: tuple[int, int] = COUNTS) -> Table:
    return load_images("MNIST", root, download, name="mnist", source="made here", counts=counts, shape=(1, 28, 28))


def cifar(root: Path, download: bool = False) -> Table:
    return load_images("CIFAR10", root, download, name="cifar10", source="made here", counts=COUNTS, shape=(3, 32, 32))


def idx(x: np.ndarray) -> bytes:
    return bytes([0, 0, 8, x.ndim]) + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    made = {}
    for part, n in zip(("train", "t10k"), COUNTS, strict=True):
        made[f"{part}-images-idx3-ubyte"] = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        made[f"{part}-labels-idx1-ubyte"] = np.arange(n, dtype=np.uint8) % 10
    return made


@pytest.fixture
def unpacked(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A root with MNIST's files, smaller than they are."""
    (tmp_path / RAW).mkdir(parents=True)
    for name, x in arrays.items():
        (tmp_path / RAW / name).write_bytes(idx(x))
    return tmp_path


@pytest.fixture
def packed(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with only .gz files, whose checksums torchvision takes for the right ones."""
    resources = []
    for name, _ in torchvision().datasets.MNIST.resources:
        file = unpacked / RAW / name.removesuffix(".gz")
        data = gzip.compress(file.read_bytes(), mtime=0)
        file.unlink()
        (unpacked / RAW / name).write_bytes(data)
        resources.append((name, md5(data)))
    monkeypatch.setattr(torchvision().datasets.MNIST, "resources", resources)
    return unpacked


@pytest.fixture
def cifar_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a CIFAR-10 of two training batches."""
    cls, folder, random = torchvision().datasets.CIFAR10, tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir()

    def write(name: str, content: dict[str, Any]) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return md5(data)

    def batch(name: str, n: int) -> list[str]:
        images = random.integers(0, 256, (n, 3072), dtype=np.uint8)
        return [name, write(name, {"data": images, "labels": [i % 10 for i in range(n)]})]

    monkeypatch.setattr(cls, "train_list", [batch("data_batch_1", 20), batch("data_batch_2", 10)])
    monkeypatch.setattr(cls, "test_list", [batch("test_batch", 10)])
    names = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": names})
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path | None], Path]]:
    """read_only(content): a folder with a copy of `content` that this process truly cannot write.

    Permissions do not bind root, so root gives up its effective user until the test is over.
    """
    if not hasattr(os, "seteuid"):
        pytest.skip("needs POSIX permissions")
    torchvision()  # Imported while everything can still be read.
    root, before = Path(tempfile.mkdtemp()), os.geteuid()

    def make(content: Path | None) -> Path:
        if content is not None:
            subprocess.run(["cp", "-r", f"{content}/.", str(root)], check=True)
        subprocess.run(["chmod", "-R", "a+rX,a-w", str(root)], check=True)
        if before == 0:
            os.seteuid(65534)
        with pytest.raises(PermissionError):
            (root / "probe").touch()
        return root

    yield make
    os.seteuid(before)
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    subprocess.run(["rm", "-r", str(root)], check=True)


def sentence(load: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as error:
        load()
    text = str(error.value)
    assert "\n" not in text
    return text


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# Importing


def test_imports_and_runs_a_kernel_in_a_fresh_process() -> None:
    code = (
        "import torch; from dropbench.data._torchvision import kernels; "
        "print(kernels().horizontal_flip(torch.arange(3.)).tolist())"
    )
    assert python(code) == "[2.0, 1.0, 0.0]"


def test_operators_that_exist_are_not_declared_again() -> None:
    if torchvision().extension._has_ops():
        assert before._declared == []
        return
    code = (
        "import torch; from dropbench.hardware import torchvision as t;"
        "lib = torch.library.Library('torchvision', 'FRAGMENT');"
        "[lib.define(s) for s in t._ABSENT.values()]; import torchvision; print(len(t._declared))"
    )
    assert len(before._declared) == 2
    assert python(code) == "0"


def test_a_broken_compiled_library_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError("libcudart.so.13: cannot open shared object file")

    torchvision()
    monkeypatch.setattr(torch.ops, "load_library", fail)
    before.declare(Path(str(torchvision().__file__)).parent)
    assert hasattr(torch.ops.torchvision, "nms")


def test_a_users_own_import_of_it_works_and_dropbenchs_own_does_without() -> None:
    assert (
        python("import sys, dropbench; assert 'torch' not in sys.modules; import torchvision.models; print('nms')")
        == "nms"
    )
    assert python("import sys, dropbench.cli.app; print('torchvision' in sys.modules)") == "False"


def test_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_torchvision.importlib.util, "find_spec", lambda name: None)
    assert "pip install torchvision" in sentence(torchvision.__wrapped__)


# Reading


def test_training_then_test_images_in_0_to_1(unpacked: Path, arrays: dict[str, np.ndarray]) -> None:
    table = mnist(unpacked)
    images = np.concatenate([arrays["train-images-idx3-ubyte"], arrays["t10k-images-idx3-ubyte"]])
    np.testing.assert_array_equal(table.x[:, 0].numpy(), images.astype(np.float32) / np.float32(255))
    assert table.y.tolist() == [i % 10 for i in range(30)] + list(range(10))
    assert table.test is not None and table.test.tolist() == list(range(30, 40))
    assert (table.axes, table.shape, table.n_classes, table.x.dtype) == ("CHW", (1, 28, 28), 10, torch.float32)


def test_whole_files_are_read_as_torchvision_reads_them(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = mnist(unpacked)
    monkeypatch.setattr(_torchvision, "_idx_parts", lambda folder: None)
    theirs = mnist(unpacked)
    assert torch.equal(own.x, theirs.x) and torch.equal(own.y, theirs.y) and own.fingerprint == theirs.fingerprint


def test_whole_files_need_no_torchvision(unpacked: Path) -> None:
    code = f"from dropbench.data import _torchvision as t; print(t._idx_parts(__import__('pathlib').Path({str(unpacked)!r})"
    told = python(f"import sys; {code} / 'MNIST' / 'raw') is None, 'torchvision' in sys.modules)")
    assert told.split() == ["False", "False"]


def test_colour_images_keep_their_planes(cifar_root: Path) -> None:
    with (cifar_root / "cifar-10-batches-py/data_batch_2").open("rb") as file:
        planes = pickle.load(file)["data"].reshape(-1, 3, 32, 32)
    table = cifar(cifar_root)
    np.testing.assert_array_equal(table.x[20:30].numpy(), planes.astype(np.float32) / np.float32(255))
    assert table.x.is_contiguous()


def test_a_root_in_the_home_folder(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(unpacked.parent))
    assert len(mnist(Path("~") / unpacked.name).x) == 40


def test_archives_are_unpacked_without_network_and_without_noise(
    packed: Path, no_network: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sentence(lambda: mnist(packed)) == (
        f"data 'mnist' is not yet unpacked in {packed / RAW}: unpack it there with data.download=true, which needs no network"
    )
    first = mnist(packed, download=True)
    assert mnist(packed).fingerprint == first.fingerprint
    assert capfd.readouterr() == ("", "")


def test_a_cifar_archive_is_unpacked_without_network(
    cifar_root: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, archive = cifar(cifar_root).fingerprint, cifar_root / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar_root / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(torchvision().datasets.CIFAR10, "tgz_md5", md5(archive.read_bytes()))
    (cifar_root / "cifar-10-batches-py/test_batch").unlink()
    assert "not yet unpacked" in sentence(lambda: cifar(cifar_root))
    assert cifar(cifar_root, download=True).fingerprint == expected


# Missing


def test_missing_root(tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    assert sentence(lambda: mnist(root)) == (
        f"data 'mnist' is not in {root} (no {TRAIN_IMAGES}): download it with data.download=true, "
        "or set its folder with data.root=DIR or the environment variable DROPBENCH_DATA=DIR"
    )
    assert not root.exists()


def test_a_missing_file_is_named(unpacked: Path) -> None:
    (unpacked / RAW / "t10k-labels-idx1-ubyte").unlink()
    assert "(no MNIST/raw/t10k-labels-idx1-ubyte)" in sentence(lambda: mnist(unpacked))


def test_no_network(tmp_path: Path, no_network: None, capfd: pytest.CaptureFixture[str]) -> None:
    for load in (mnist, cifar):
        text = sentence(lambda load=load: load(tmp_path, download=True))
        assert f"could not be downloaded into {tmp_path}: check the network" in text
        assert "data.root=DIR" in text and "name resolution" in text
    assert capfd.readouterr() == ("", "")


def test_a_damaged_archive_is_named_where_it_cannot_be_replaced(packed: Path, no_network: None) -> None:
    archive = packed / RAW / "train-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:-9])
    assert f"({archive} is damaged: delete it)" in sentence(lambda: mnist(packed, download=True))


# Read-only


def test_read_only_root_reads(unpacked: Path, read_only: Callable[[Path | None], Path]) -> None:
    root = read_only(unpacked)
    assert mnist(root, download=True).fingerprint == mnist(root).fingerprint


@pytest.mark.parametrize("below", ["", "not/yet/there"])
def test_download_into_a_read_only_root(below: str, read_only: Callable[[Path | None], Path]) -> None:
    root = read_only(None) / below
    assert sentence(lambda: mnist(root, download=True)) == (
        f"data 'mnist' cannot be downloaded, because {root} is read-only: "
        "choose another folder with data.root=DIR or the environment variable DROPBENCH_DATA=DIR"
    )


def test_archives_in_a_read_only_root(packed: Path, read_only: Callable[[Path | None], Path]) -> None:
    root = read_only(packed)
    assert sentence(lambda: mnist(root)) == (
        f"data 'mnist' is not yet unpacked in {root / RAW}, and this folder is read-only: copy it to a folder of your own, "
        "under the same names, and use data.root=DIR data.download=true"
    )
    assert "is read-only" in sentence(lambda: mnist(root, download=True))


def test_a_file_that_may_not_be_read(unpacked: Path, read_only: Callable[[Path | None], Path]) -> None:
    root = read_only(unpacked)
    user = os.geteuid()
    if user == 65534:
        os.seteuid(0)
    (root / TRAIN_IMAGES).chmod(0)
    if user == 65534:
        os.seteuid(user)
    assert sentence(lambda: mnist(root)).endswith(f"permission denied for {root / TRAIN_IMAGES}")


# Damaged


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"<html>404 not found</html>", idx(np.zeros((3, 3), np.uint8))])
def test_a_file_that_is_not_idx_is_named(unpacked: Path, content: bytes) -> None:
    (unpacked / TRAIN_IMAGES).write_bytes(content)
    file = unpacked / TRAIN_IMAGES
    for download in (False, True):
        assert sentence(lambda download=download: mnist(unpacked, download)) == (
            f"data 'mnist': {file} is damaged: delete it and download it again with data.download=true"
        )


@pytest.mark.parametrize("cut", [-1, 1])
def test_a_file_too_short_or_too_long_is_named(unpacked: Path, cut: int) -> None:
    file = unpacked / RAW / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:cut] if cut < 0 else file.read_bytes() + b"x")
    assert f"{file} is damaged" in sentence(lambda: mnist(unpacked))


@pytest.mark.parametrize(
    "change",
    [
        {"train-labels-idx1-ubyte": np.full(30, 10, np.uint8)},
        {"train-labels-idx1-ubyte": np.zeros(29, np.uint8)},
        {"train-labels-idx1-ubyte": np.zeros((30, 28, 28), np.uint8)},
        {"t10k-images-idx3-ubyte": np.zeros((10, 27, 28), np.uint8)},
        {"t10k-images-idx3-ubyte": np.zeros((0, 28, 28), np.uint8)},
    ],
)
def test_whole_files_with_wrong_contents(unpacked: Path, change: dict[str, np.ndarray]) -> None:
    for name, x in change.items():
        (unpacked / RAW / name).write_bytes(idx(x))
    assert f"the files in {unpacked / RAW} do not contain the expected images and labels" in sentence(
        lambda: mnist(unpacked)
    )


def test_wrong_counts(unpacked: Path) -> None:
    assert "do not contain" in sentence(lambda: mnist(unpacked, counts=(60_000, 10_000)))


def test_a_damaged_batch_is_named(cifar_root: Path) -> None:
    file = cifar_root / "cifar-10-batches-py/data_batch_2"
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    assert f"{file} is damaged: delete it" in sentence(lambda: cifar(cifar_root))
