"""One library multiplies matrices for all runs of a results folder: who is first settles it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from stored import make

from dropbench.errors import UsageError
from dropbench.store import Store
from dropbench.store.products import FILE, settle, settled


def test_who_is_first_settles_it_and_who_comes_later_takes_the_same(tmp_path: Path) -> None:
    root = tmp_path / "results"
    assert settled(root) is None and not root.exists()
    assert settle(root, "openblas", "a processor") == "openblas"
    assert settle(root, "mkl", "another") == settled(root) == "openblas"
    assert json.loads((root / FILE).read_text()) == {"products": "openblas", "processor": "a processor"}


def test_of_several_at_once_one_settles_it_for_all(tmp_path: Path) -> None:
    found: list[str] = []
    names = [f"library{chr(97 + i)}" for i in range(12)]
    threads = [threading.Thread(target=lambda n=n: found.append(settle(tmp_path / "results", n, "p"))) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and len(set(found)) == 1 and found[0] in names


def test_a_folder_of_an_older_dropbench_is_known_by_its_records(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(make(seed=0, device="cuda", products="cuda"), [], "")
    assert settled(tmp_path) is None
    store.write(make(seed=1, products="mkl"), [], "")
    assert settled(tmp_path) == "mkl"
    assert settle(tmp_path, "openblas", "p") == "mkl"
    assert settled(tmp_path) == "mkl" and (tmp_path / FILE).is_file()


@pytest.mark.parametrize("text", ["[", "{}", '{"products": 3}', '{"products": ""}', '{"products": "/etc/x"}', "[1]"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=r"products.json must hold .* remove it"):
        settled(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UsageError, match=r"cannot write results into .* choose another folder: results=DIR"):
        settle(tmp_path / "results", "mkl", "p")
