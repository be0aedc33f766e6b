"""From the command line: which runs are one run, what is trained again, and what is not taken for what it is not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mine import bring
from specs_kit import planned
from terminal import TINY, Said, dropbench

from dropbench.config.compose import composer
from dropbench.config.source_hash import source_hash
from dropbench.errors import UsageError
from dropbench.planning import confirm, sources
from dropbench.planning.plan import make
from dropbench.store import Record, Store

Sweep = Callable[..., Said]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test brings is not found by the next."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [n for n in sys.modules if n in ("csv_model", "csv_data", "gone_metric")]:
        del sys.modules[name]
    source_hash.cache_clear()
    sources._kept.clear()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def sweep(results: Path, capsys: pytest.CaptureFixture[str]) -> Sweep:
    def sweep(*words: str) -> Said:
        keys = {w.partition("=")[0] for w in words}
        usual = [w for w in TINY if w.partition("=")[0] not in keys]
        return dropbench(capsys, "sweep", *usual, f"results={results}", "execute.workers=1", *words)

    return sweep


def runs(said: Said) -> list[str]:
    ids: list[str] = json.loads(said.out)["runs"]
    return ids


def test_a_metric_more_makes_no_other_runs(sweep: Sweep, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = ("dropout=none,standard", "seed=range(0,6)")
    first = sweep(*arms, "--json")
    before = {r.run_id: r.metrics for r in Store(results).load().records}
    second = sweep(*arms, "metric=[loss,accuracy,ece]", "--json")
    assert runs(first) == runs(second) and len(runs(second)) == 12
    assert "12 finished runs trained again, because some metrics are missing" in second.err
    records = Store(results).load().records
    assert len(records) == 12
    for record in records:
        assert {k: v for k, v in record.metrics.items() if not k.endswith("_ece")} == before[record.run_id]
        assert "test_ece" in record.metrics and record.measures["ece"].direction == "lower"
    told = json.loads(dropbench(capsys, "report", str(results), "--format", "json").out)
    assert {row["comparison"] for row in told["rows"]} == {told["rows"][0]["comparison"]} and "absent" not in str(told)
    assert "12 finished already and skipped" in sweep(*arms).err


def test_what_was_measured_is_kept_when_something_else_is_asked_for(sweep: Sweep, results: Path) -> None:
    sweep("metric=[loss,accuracy,ece]", "metric.ece.bins=7")
    sweep("metric=[loss,brier]")
    (record,) = Store(results).load().records
    assert set(record.config["metric"]) == {"loss", "accuracy", "ece", "brier"}
    assert record.config["metric"]["ece"]["bins"] == 7 and {"test_ece", "test_brier"} < set(record.metrics)
    sweep("metric=[loss,ece]", "metric.ece.bins=9")
    (record,) = Store(results).load().records
    assert record.config["metric"]["ece"]["bins"] == 9 and "test_brier" in record.metrics


def test_a_diverged_run_is_not_trained_again_for_a_metric(sweep: Sweep) -> None:
    sweep("train.optimizer=sgd", "train.lr=1e30", "train.epochs=3")
    said = sweep("train.optimizer=sgd", "train.lr=1e30", "train.epochs=3", "metric=[loss,accuracy,ece]")
    assert "1 finished already and skipped" in said.err


def test_a_users_metric_that_is_gone_is_not_lost(sweep: Sweep, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "metric").mkdir(parents=True)
    (mine / "gone_metric.py").write_text("def gone(logits, targets):\n    return logits[..., 0].mean(1)\n")
    (mine / "metric" / "gone.yaml").write_text("# Gone\ngone:\n  _target_: gone_metric.gone\n  name: gone\n")
    assert sweep("--conf", str(mine), "metric=[loss,gone]").code == 0
    said = sweep("metric=[loss,ece]")
    assert said.code == 2 and "would lose its metric gone" in said.err.replace("\n", " ")
    assert sweep("--conf", str(mine), "metric=[loss,ece]").code == 0


def test_points_that_measure_other_things_are_one_run_that_measures_all() -> None:
    plan = planned(*TINY, "metric=[loss,accuracy],[loss,ece]")
    (spec,) = plan.specs
    assert list(spec.metric) == ["loss", "accuracy", "ece"] and plan.merged == 1
    with pytest.raises(
        UsageError, match=r"metric.ece.bins=5,9: runs that differ only in this option of ece are the same run"
    ):
        planned(*TINY, "metric=[loss,ece]", "metric.ece.bins=5,9")


def test_every_run_of_a_plan_is_bound_to_its_data() -> None:
    plan = planned("study=three_arm", "data=wine", "seed=0,1")
    assert {s.data_fingerprint for s in plan.specs} == {sources.load(plan.specs[0].data, plan.settings).fingerprint}
    ids = {s.run_id for s in plan.specs}
    assert ids == set(plan.outlines) == {i for arm in plan.arms.values() for i in arm}


def test_a_stored_arm_at_rate_0_can_be_confirmed_as_none() -> None:
    with composer() as c:
        (spec,) = make([*TINY, "dropout.rate=0.5"], c).specs
        some = spec.as_dict()
        silent = some | {"dropout": some["dropout"] | {"rate": 0.0}}
        plan, _ = confirm.plan(
            "standard 0", {"standard 0": silent, "standard 0.5": some}, range(3, 5), ["results=results"], c
        )
        assert [s.dropout.name for s in plan.specs] == ["none", "none", "standard", "standard"]
        other = some | {"train": some["train"] | {"epochs": 7.5}}
        with pytest.raises(UsageError):
            confirm.plan(
                "standard 0", {"standard 0": silent, "standard 0.5": other}, range(3, 5), ["results=results"], c
            )


def edited(folder: Path, file: str, old: str, new: str) -> None:
    """As if another process began: nothing is remembered of what the file was."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    source_hash.cache_clear()
    sources._kept.clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "note"),
    [
        ("rows.csv", "0.5", "0.25", "2 runs of this setting were made from other data; they are kept and not compared"),
        ("csv_model.py", "relu", "tanh", "2 runs of this setting were made by other code of csv_model.Net; they are"),
        ("csv_model.py", "# as it was", "# as it is", None),
    ],
)
def test_what_changed_is_another_run_and_said(
    sweep: Sweep, results: Path, tmp_path: Path, file: str, old: str, new: str, note: str | None
) -> None:
    mine = bring(tmp_path / "mine")
    for name, text in OWN.items():
        (mine / name).write_text(text)
    words = ("--conf", str(mine), "model=net", "data=rows", "seed=0,1")
    first = sweep(*words, "model.widths=4", "--json")
    edited(mine, file, old, new)
    second = sweep(*words, "model.widths=4", "--json")
    told = " ".join(second.err.split())
    if note is None:
        assert runs(first) == runs(second) and "kept and not" not in told
        return
    assert note in told
    assert not set(runs(first)) & set(runs(second))
    records = [Store(results).find(i) for i in (*runs(first), *runs(second))]
    assert all(isinstance(r, Record) for r in records)
    assert len({r.setting_id for r in records if isinstance(r, Record)}) == 1


OWN = {
    "csv_model.py": '''
from torch import nn
from dropbench.sites import Site


class Net(nn.Module):
    """One hidden layer."""

    eats = ("flat",)

    def __init__(self, shape, n_classes, *, widths: int = 4):
        super().__init__()
        self.one, self.two = nn.Linear(shape[0], widths), nn.Linear(widths, n_classes)
        self.sites = (Site("middle", "activation", (widths,), "F"),)

    def forward(self, x, noise):
        return self.two(noise("middle", self.one(x).relu()))  # as it was
''',
    "csv_data.py": """
from pathlib import Path

import numpy as np
import torch
from dropbench.data.base import Table

FILE = Path(__file__).with_name("rows.csv")


def load(root, download):
    x = torch.from_numpy(np.loadtxt(FILE, delimiter=",", dtype=np.float32))
    return Table(name="rows", x=x, y=torch.arange(len(x)) % 2, axes="F", n_classes=2)
""",
    "rows.csv": "\n".join(f"{i / 60},{(7 * i % 60) / 60},{0.5 if i == 3 else 1}" for i in range(60)),
    "model/net.yaml": "# Reads rows\n_target_: csv_model.Net\nname: net\nwidths: 4\n",
    "data/rows.yaml": "# Rows\ndefaults:\n  - _split\n\n_target_: csv_data.load\nname: rows\n",
}
