"""A metric that is asked for later is measured from the weights: the numbers are those that training would have given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from kinds import bring_kinds
from terminal import dropbench

from dropbench.config.compose import composer
from dropbench.engine.train import Training
from dropbench.execute.cohorts import cohorts
from dropbench.execute.local import execute, unfinished
from dropbench.execute.measure import measurable, measured
from dropbench.planning.plan import Plan, make
from dropbench.store import Record, Store

LESS, MORE = "metric=[loss,accuracy]", "metric=[loss,accuracy,ece,reliability,membership,dead_units]"


class Folder:
    """A results folder, and the user's folder of options."""

    def __init__(self, results: Path, conf: Path) -> None:
        self.store, self.conf = Store(results), conf

    def plan(self, *words: str) -> Plan:
        usual = {"train.epochs": "2", "device": "cpu", "results": str(self.store.root), "data": "wine"}
        keys = {w.partition("=")[0] for w in words}
        with composer([self.conf]) as c:
            return make([*words, *(f"{k}={v}" for k, v in usual.items() if k not in keys)], c)

    def train(self, *words: str) -> dict[str, Record]:
        plan = self.plan(*words)
        todo = unfinished(plan.specs, self.store, [self.conf])
        groups = cohorts(todo, plan.outlines, plan.settings, "cpu", 1)
        return {s.record.run_id: s.record for s in execute(groups, plan.settings, "cpu", 1, self.store)}

    def measure(self, *words: str) -> set[str]:
        """The runs that were measured from their weights."""
        plan = self.plan(*words)
        todo = unfinished(plan.specs, self.store, [self.conf])
        return set(measured(measurable(todo, self.store), plan.outlines, plan.settings, "cpu", self.store))

    def record(self, run: str) -> Record:
        record = self.store.find(run)
        assert isinstance(record, Record)
        return record

    def beside(self, run: str) -> dict[str, bytes]:
        names = ("history.csv", "weights.safetensors", "test.npz")
        return {name: (self.store.folder(run) / name).read_bytes() for name in names}


@pytest.fixture
def folder(mine: Path, tmp_path: Path) -> Callable[[str], Folder]:
    conf = bring_kinds(mine)
    return lambda name: Folder(tmp_path / name, conf)


def told(record: Record) -> dict[str, Any]:
    return {k: v for k, v in asdict(record).items() if k not in ("seconds", "started", "peak_memory_mb", "weights")}


KINDS: dict[str, tuple[Sequence[str], str]] = {
    "two arms and seeds": (["dropout=none,standard", "seed=0,1"], MORE),
    "early stopping": (["train.patience=2", "train.epochs=25", "train.lr=0.05", "seed=0,1,2"], MORE),
    "weight scaling under a schedule": (["dropout=classic", "dropout/schedule=linear_up"], MORE),
    "learned rates": (["dropout=none,concrete", "dropout.rate=0.2"], MORE),
    "noise in evaluation": (["eval.mode=mc", "eval.passes=3"], "metric=[loss,accuracy,ece,brier]"),
    "batch norm": (["model.batch_norm=before_activation"], MORE),
    "a user's model": (["model=tiny", "dropout=half"], "metric=[loss,accuracy,ece]"),
    "nodes": (["data=nodes", "model=gcn", "model.hidden=8"], "metric=[loss,accuracy,ece]"),
    "words": (["data=running", "model=lm", "model.hidden=8", "train.batch_size=4"], "metric=[loss,accuracy]"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_that_training_would_have_given(
    folder: Callable[[str], Folder], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    words, more = KINDS[kind]
    less = "metric=[loss]" if kind == "words" else LESS
    wanted = folder("reference").train(*words, more, "execute.cohort=3")
    here = folder("here")
    before = here.train(*words, less, "train.save=best")
    files = {run: here.beside(run) for run in before}
    monkeypatch.setattr(Training, "run", None)  # nothing trains from here on
    assert here.measure(*words, more) == before.keys() == wanted.keys()
    for run, old in before.items():
        now = here.record(run)
        assert old.metrics.items() <= now.metrics.items() and old.metrics != now.metrics
        mine, reference = told(now), told(wanted[run])
        assert {k: mine.pop(k) for k in ("cohort_size",)} == {"cohort_size": old.cohort_size}
        reference.pop("cohort_size")
        assert mine == reference  # to the last bit: metrics, arrays, how to read them, configuration, ids
        assert (now.started, now.seconds) == (old.started, old.seconds)
        assert here.beside(run) == files[run]
    assert unfinished(here.plan(*words, more).specs, here.store, [here.conf]) == []


def test_an_ensemble_is_trained_again(folder: Callable[[str], Folder]) -> None:
    """From the weights of one network its numbers would be others."""
    words = ["regularizer=[snapshot_ensemble]", "regularizer.snapshot_ensemble.cycles=2"]
    words += ["regularizer.snapshot_ensemble.members=2", "train.schedule=cosine_restarts", "train.cycles=2"]
    here = folder("here")
    assert len(here.train(*words, LESS, "train.save=best")) == 1
    assert here.measure(*words, MORE) == set()
    (record,) = here.train(*words, MORE).values()
    assert "test_ece" in record.metrics


def test_weights_of_another_epoch_are_of_no_use(folder: Callable[[str], Folder]) -> None:
    words = ["train.patience=3", "train.epochs=40", "train.lr=0.05", "train.save=last"]
    here = folder("here")
    (record,) = here.train(*words, LESS).values()
    assert record.chosen_epoch != record.epochs_run
    assert here.measure(*words, MORE) == set()
    # Trained again it is the same run, and keeps what it had.
    weights = here.beside(record.run_id)["weights.safetensors"]
    (again,) = here.train(*words[:3], MORE).values()
    assert again.weights == "weights.safetensors" and here.beside(record.run_id)["weights.safetensors"] == weights
    assert record.metrics.items() <= again.metrics.items()


def test_what_cannot_be_measured_is_left_to_be_trained(folder: Callable[[str], Folder]) -> None:
    here = folder("here")
    kept = here.train(LESS, "seed=0,1,2", "train.save=best")
    first, second, third = sorted(kept)
    (here.store.folder(first) / "weights.safetensors").write_bytes(b"damaged")
    (here.store.folder(second) / "weights.safetensors").unlink()
    assert here.measure(MORE, "seed=0,1,2") == {third}
    untouched = here.record(third)
    assert here.measure("metric=[loss,accuracy,fail]", "seed=0,1,2") == set()
    assert here.record(third) == untouched


def test_weights_that_are_of_another_model_are_not_taken(folder: Callable[[str], Folder]) -> None:
    from dropbench.store import tensors

    here = folder("here")
    (run,) = here.train(LESS, "train.save=best")
    path = here.store.folder(run) / "weights.safetensors"
    held, about = tensors.read(path)
    tensors.write(path, {**held, "head.weight": held["head.weight"][:-1]}, about)
    assert here.measure(MORE) == set()


def test_the_command_says_what_it_measured(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=wine", "model.widths=[4]", "train.epochs=1", "seed=0,1", "execute.workers=1"]
    assert dropbench(capsys, "sweep", *words, "train.save=best", "-q").code == 0
    asked = [*words, "metric=[loss,accuracy,ece]"]
    before = {p: p.read_bytes() for p in Path("results/runs").glob("*/*")}
    said = dropbench(capsys, "sweep", *asked, "--dry-run")
    assert "2 finished runs would be measured from the weights that they kept" in said.out + said.err
    assert {p: p.read_bytes() for p in Path("results/runs").glob("*/*")} == before
    said = dropbench(capsys, "sweep", *asked)
    assert "2 runs measured from their weights" in said.out + said.err
    assert "trained again" not in said.out + said.err
    said = dropbench(capsys, "train", *words[:3], "seed=0", "metric=[loss,accuracy,ece,brier]")
    assert "1 run measured from its weights" in said.out + said.err and "brier" in said.out
    said = dropbench(capsys, "sweep", "data=wine", "model.widths=[5]", "train.epochs=1", "-q")
    said = dropbench(capsys, "sweep", "data=wine", "model.widths=[5]", "train.epochs=1", "train.save=best")
    assert (
        "1 run is finished and kept no weights, so train.save=best has no effect on it; --force trains it" in said.err
    )
