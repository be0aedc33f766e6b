"""All runs of a results folder take their products by one library: it is settled once, and handed to workers as a name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from terminal import dropbench

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.execute.products import settled
from dropbench.hardware import blas
from dropbench.settings import Settings
from dropbench.store.products import FILE, settle


@pytest.fixture(autouse=True)
def _libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with three ways, the first of which is the default; what was measured on another is not known."""
    monkeypatch.setattr(blas, "available", lambda: [blas.MKL, blas.OPENBLAS, blas.ONEDNN])
    monkeypatch.setattr(blas, "default", lambda: blas.MKL)
    monkeypatch.setattr(blas, "slowed_openblas", lambda: None)
    monkeypatch.setattr(blas, "_chosen", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def measuring(found: str, times: list[str]) -> Callable[[], str]:
    """A measurement with this outcome, which counts how often it is made."""
    return lambda: (times.append(found), found)[1]


def settings(c: Composer, results: Path, products: str = "auto") -> Settings:
    told = {"results": f"results={results}", "execute.products": f"execute.products={products}"}
    return c.compose(told).settings


def test_it_is_measured_for_the_first_run_of_a_folder_and_the_same_for_all_after_it(
    c: Composer, tmp_path: Path
) -> None:
    made: list[str] = []
    at = settings(c, tmp_path / "a")
    for _ in range(2):
        first, notes = settled(at, "cpu", trains=True, measure=measuring("openblas", made))
        assert first.execute.products == "openblas" and notes == []
    assert json.loads((tmp_path / "a" / FILE).read_text())["products"] == "openblas"
    # What was measured on this machine is kept: another folder gets the same, so that a command gives the same bits there.
    other, _ = settled(settings(c, tmp_path / "b"), "cpu", trains=True, measure=measuring("mkl", made))
    assert other.execute.products == "openblas" and made == ["openblas"]


def test_where_nothing_is_trained_nothing_is_measured_or_written(c: Composer, tmp_path: Path) -> None:
    made: list[str] = []
    at = settings(c, tmp_path / "results")
    assert settled(at, "cpu", trains=False, measure=measuring("openblas", made))[0].execute.products == "mkl"
    assert made == [] and not (tmp_path / "results").exists()
    settle(tmp_path / "results", "onednn", "p")
    assert settled(at, "cpu", trains=False, measure=measuring("openblas", made))[0].execute.products == "onednn"


def test_an_accelerator_has_its_own(c: Composer, tmp_path: Path) -> None:
    at = settings(c, tmp_path / "results")
    assert settled(at, "cuda:0", trains=True, measure=lambda: pytest.fail("measured")) == (at, [])
    assert not (tmp_path / "results").exists()


def test_what_is_asked_for_settles_a_new_folder_and_is_refused_in_one_of_another(c: Composer, tmp_path: Path) -> None:
    made: list[str] = []
    first, _ = settled(settings(c, tmp_path, "onednn"), "cpu", trains=True, measure=measuring("openblas", made))
    assert first.execute.products == "onednn" and made == []
    assert settled(settings(c, tmp_path), "cpu", trains=True)[0].execute.products == "onednn"
    with pytest.raises(
        UsageError, match=r"execute.products=mkl: the runs in .* multiply matrices with onednn, .* results=DIR"
    ):
        settled(settings(c, tmp_path, "mkl"), "cpu", trains=True)


def test_a_library_that_is_not_here_is_a_mistake_where_it_is_asked_for(c: Composer, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"products=torch: .* not available here; torch stands for a torch without MKL, .* use one of auto, mkl, open",
    ):
        settled(settings(c, tmp_path, "torch"), "cpu", trains=True)


def test_a_machine_that_lacks_the_folders_library_says_so_and_takes_its_own(
    c: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path, "openblas", "p")
    monkeypatch.setattr(blas, "available", lambda: [blas.MKL])
    found, (note,) = settled(settings(c, tmp_path), "cpu", trains=True, measure=lambda: pytest.fail("measured"))
    assert found.execute.products == "mkl"
    assert re.search(
        r"multiply matrices with openblas, which is not available on this machine: .* use mkl, .* records say so", note
    )
    assert json.loads((tmp_path / FILE).read_text())["products"] == "openblas"


def test_kernels_that_openblas_was_told_to_use_are_said_where_they_cost(
    c: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "slowed_openblas", lambda: "Haswell")
    _, (note,) = settled(settings(c, tmp_path), "cpu", trains=False)
    assert "OPENBLAS_CORETYPE makes NumPy's OpenBLAS use its kernels for Haswell" in note and note.endswith("unset it")


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_trains_with_the_products_of_the_folder_and_each_record_says_so(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what is the fastest on the machine: another process, which knows only what it is handed, trains the runs."""
    monkeypatch.undo()
    other = next((name for name in blas.available() if name != blas.default()), None)
    if other is None:
        pytest.skip("there is one library only")
    monkeypatch.setattr(blas, "_chosen", None)
    settle(tmp_path, other, "p")
    told = ["data=wine", "train.epochs=1", "model.widths=[4]", "dropout=none", "execute.cohort=1"]
    words = [*told, "seed=range(0,3)", f"execute.workers={workers}", f"results={tmp_path}", "-q"]
    assert dropbench(capsys, "sweep", *words).code == 0
    records = [json.loads(file.read_text()) for file in tmp_path.glob("runs/*/record.json")]
    assert [record["products"] for record in records] == [other] * 3
