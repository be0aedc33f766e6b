"""The real MNIST, Fashion-MNIST and CIFAR-10: their known counts and figures, and damage to the real files."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
import torch

from dropbench.data.normalise import statistics
from dropbench.errors import UsageError

SETS = {
    "mnist": ((60_000, 10_000), (1, 28, 28), [0.1307], [0.3081], "MNIST/raw"),
    "fashion_mnist": ((60_000, 10_000), (1, 28, 28), [0.2860], [0.3530], "FashionMNIST/raw"),
    "cifar10": (
        (50_000, 10_000), (3, 32, 32), [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], "cifar-10-batches-py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_counts_and_figures(name: str, data_root: Path) -> None:
    (n_train, n_test), shape, means, stds, _ = SETS[name]
    table = importlib.import_module(f"dropbench.data.{name}").load(data_root, False)
    assert (table.name, table.shape, table.n_classes, len(table.y)) == (name, shape, 10, n_train + n_test)
    assert table.test is not None and table.test.tolist() == list(range(n_train, n_train + n_test))
    assert (table.x.min(), table.x.max()) == (0, 1)
    if name != "mnist":  # the other two are balanced
        assert table.y[table.test].bincount().tolist() == [n_test // 10] * 10
    mean, std = statistics(table, torch.arange(n_train))
    torch.testing.assert_close(mean.flatten(), torch.tensor(means), rtol=0, atol=5.1e-5)
    torch.testing.assert_close(std.flatten(), torch.tensor(stds), rtol=0, atol=5.1e-5)


@pytest.mark.parametrize("name", SETS)
def test_a_truncated_file_is_named(name: str, data_root: Path, tmp_path: Path) -> None:
    folder = SETS[name][-1]
    (tmp_path / folder).mkdir(parents=True)
    for file in (data_root / folder).iterdir():
        (tmp_path / folder / file.name).symlink_to(file)
    victim = next(f for f in (tmp_path / folder).iterdir() if f.name in ("test_batch", "t10k-images-idx3-ubyte"))
    victim.unlink()
    shutil.copyfile(data_root / folder / victim.name, victim)
    with victim.open("rb+") as file:
        file.truncate(victim.stat().st_size // 2)
    with pytest.raises(UsageError, match=f"{victim} is damaged: delete it"):
        importlib.import_module(f"dropbench.data.{name}").load(tmp_path, False)
