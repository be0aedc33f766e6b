"""A study that searches, as it is typed: rungs go on where the ones before ended, and nothing else changes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from terminal import dropbench, started

from dropbench.store import Store
from dropbench.store.checkpoints import RUNGS, WORK

STUDY = {
    "baseline": "plain",
    "seed": "range(0,2)",
    "set": {"train.epochs": 4},
    "search": {
        "budget": 4,
        "seeds": 1,
        "rungs": 3,
        "eta": 2,
        "together": 2,
        "spaces": {
            "*": {"train.lr": "loguniform(1e-4, 1e-1)"},
            "cocktail": {"dropout.rate": "uniform(0.1, 0.8)", "regularizer": "subset(ema, mixup)"},
        },
    },
    "arms": {"plain": {"dropout": "none"}, "cocktail": {"dropout": "standard"}},
}
SWEEP = ("sweep", "--conf", "mine", "study=tried", "data=wine", "model.widths=[4]", "execute.workers=1")


@pytest.fixture
def folder(bare: Path) -> Path:
    (bare / "mine" / "study").mkdir(parents=True)
    (bare / "mine" / "study" / "tried.yaml").write_text("# What is tried\n" + yaml.safe_dump(STUDY))
    return bare


def everything(results: Path) -> dict[str, Any]:
    """What is stored of each run but for time, memory, company and the run that it went on with."""
    may = ("seconds", "started", "cohort_size", "peak_memory_mb", "parent")
    store, runs = Store(results), {}
    for record in store.load().records:
        at = store.folder(record.run_id)
        rows = [line.rsplit(",", 2)[0] for line in (at / "history.csv").read_text().splitlines()]
        told = {key: value for key, value in asdict(record).items() if key not in may}
        runs[record.run_id] = told, rows, (at / "test.npz").read_bytes()
    return runs


def parents(results: Path) -> dict[int | None, set[int | None]]:
    """By the epoch after which runs ended, where those ended that they went on with, and None where they began."""
    records = {r.run_id: r for r in Store(results).load().records}
    found: dict[int | None, set[int | None]] = {}
    for record in records.values():
        before = None if record.parent is None else records[record.parent].config["train"]["stop_at"]
        found.setdefault(record.config["train"]["stop_at"], set()).add(before)
    return found


def test_rungs_go_on_and_store_what_they_would_have_stored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for results, words in (("on", ()), ("anew", ("execute.checkpoint=off",))):
        said = dropbench(capsys, *SWEEP, f"results={results}", *words, "--quiet")
        assert said.code == 0, said.err
        assert not (folder / results / RUNGS).exists() and not (folder / results / WORK).exists()
    assert everything(folder / "on") == everything(folder / "anew")
    # To the end go those of the last rung, and the comparison under seeds of its own.
    assert parents(folder / "on") == {1: {None}, 2: {1}, None: {2, None}}
    assert parents(folder / "anew") == {1: {None}, 2: {None}, None: {None}}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_one_that_is_killed_goes_on_and_ends_with_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for runs in (3, 9):  # in the first rung, and in the second
        process = started(folder, *SWEEP, "results=parts", "--quiet", "execute.cohort=2")
        until = time.monotonic() + 120
        while process.poll() is None and len(list((folder / "parts" / "runs").glob("[!.]*"))) < runs:
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert any((folder / "parts" / RUNGS).glob("[!.]*"))
    shutil.rmtree(folder / "parts" / RUNGS)  # the runs that are left of the second rung begin anew
    for results in ("parts", "whole"):
        assert dropbench(capsys, *SWEEP, f"results={results}", "--quiet").code == 0
        assert not (folder / results / RUNGS).exists()
    assert everything(folder / "parts") == everything(folder / "whole")
    assert None in parents(folder / "parts")[2]
