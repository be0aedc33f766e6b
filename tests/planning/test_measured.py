"""What is said of a plan before it trains: metrics that measure nothing, models beyond memory, grids beyond all bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import planned
from terminal import TINY, dropbench

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.planning import size
from dropbench.planning.plan import make

RING = """
import torch

from dropbench.data.base import Graph, Table


def load(root, download):
    nodes = torch.arange(60)
    edges = torch.stack([nodes, (nodes + 1) % 60])
    return Table("ring", nodes[:, None], nodes % 3, "N", 3, graph=Graph(torch.rand(60, 4), edges))
"""


@pytest.fixture
def ring(mine: Path) -> Path:
    """A graph of the user's."""
    (mine / "my_ring.py").write_text(RING)
    (mine / "data" / "ring.yaml").write_text("defaults: [_split]\n_target_: my_ring.load\nname: ring\n")
    return mine


def test_metrics_of_features_on_a_graph(ring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("missing", "missing_by_value", "fgsm", "ood", "attribution")
    words = ["model=gcn", "data=ring", f"metric=[loss,accuracy,coadaptation,{','.join(asked)}]"]
    with composer([ring]) as c:
        warned = [w.partition(":")[0] for w in make(words, c).warnings]
        assert sorted(warned) == [f"metric={name} measures nothing on data=ring" for name in sorted(asked)]
    said = dropbench(
        capsys, "sweep", "--dry-run", "model=gcn", "data=ring", "metric=[loss,missing]", "--conf", str(ring)
    )
    assert said.code == 0 and "metric=missing measures nothing on data=ring" in said.err + said.out


def test_metrics_of_features_where_there_are_some() -> None:
    assert planned(*TINY, "metric=[loss,missing,fgsm,coadaptation]").warnings == ()


def test_metrics_of_hidden_units_of_a_model_that_names_none(mine: Path) -> None:
    module = mine / "my_model.py"
    module.write_text(
        module.read_text().replace('F"),)', 'F"),)\n        self.sites = ()').replace('noise("middle", ', "(")
    )
    with composer([mine]) as c:
        words = ["model=tiny", "data=wine", "dropout=none", "metric=[loss,dead_units,coadaptation,ablation]"]
        warned = [w.partition(":")[0] for w in make(words, c).warnings]
    assert [w for w in warned if w.startswith("metric=")] == [
        f"metric={name} measures nothing on model=tiny" for name in ("dead_units", "coadaptation", "ablation")
    ]


def test_a_metric_that_was_asked_for_and_fits_no_such_model() -> None:
    words = ["model=autoencoder", "model.widths=[4]", "data=digits"]
    assert planned(*words).warnings == ()  # accuracy is among the metrics that nobody typed
    (warning,) = planned(*words, "metric=[loss,ece]").warnings
    assert warning.startswith("metric=ece does not apply to what model=autoencoder is trained for")


def test_a_model_that_no_machine_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["data=wine", "model.widths=[100,100]"]
    (spec,) = planned(*words).specs
    assert spec.model.options["widths"] == [100, 100]
    monkeypatch.setattr(size, "ram", lambda: 10**4)
    with pytest.raises(UsageError, match=r"^model=mlp would have 11,803 parameters, .* GB .*; make it smaller"):
        planned(*words)
    monkeypatch.setattr(size, "ram", lambda: None)
    assert planned(*words).specs


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["seed=range(0,1000000000)"], "1,000,000,000"),
        (["seed=range(0,1000)", "dropout.rate=range(0,0.9,0.01)"], "90,000"),
        (["train.lr=range(0,1,1e-300)"], "1e+300"),
        (["study=three_arm", "seed=range(0,4000)"], "12,000"),
        (["study=three_arm", "study.seed='range(0,100000)'"], "100,000"),
        (["study=three_arm", "study.seed='range(0,5000)'"], "15,000"),
        (
            [f"{key}={','.join(map(str, range(1, 30)))}" for key in ("train.epochs", "train.step_every", "seed")],
            "24,389",
        ),
    ],
)
def test_a_grid_is_counted_before_it_is_made(words: list[str], runs: str) -> None:
    with pytest.raises(
        UsageError, match=f"^(study.seed=.*: )?that is {runs.replace('+', '.')} runs, and at most 10,000"
    ):
        planned(*words)


def test_the_limit_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", "--dry-run", *TINY, "seed=range(0,4)", "--max-runs", "3")
    assert (said.code, said.err) == (
        2,
        "Error: that is 4 runs, and at most 3 are planned at once; take fewer values, or type --max-runs 4 to allow more\n",
    )
    assert dropbench(capsys, "sweep", "--dry-run", *TINY, "seed=range(0,4)", "--max-runs", "4").code == 0
