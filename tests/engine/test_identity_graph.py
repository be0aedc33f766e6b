"""A run over a graph is the same to the last bit alone and in any cohort, in any position."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import graph_table
from noise_kit import VARIANTS
from training import Trained, arms, assert_identical, differences, make_spec

from dropbench.data.base import Table
from dropbench.planning.outline import outline
from dropbench.spec import EvalSpec

GCN = "dropbench.models.gcn.GCN"
TABLE = graph_table()


def check(variant: str, placement: tuple[str, ...], table: Table = TABLE, **common: Any) -> None:
    run, cohorts = arms(
        GCN, variant, {}, placement=placement, batch_size=100, split={"n_train": None, "val_fraction": 0.2}, **common
    )
    assert_identical(run, *cohorts, table=table)


SITES = outline(make_spec(GCN, options={"layers": 3}).model, TABLE).sites


@pytest.mark.parametrize("variant", [v for v, m in VARIANTS.items() if any(m.supports(s) is None for s in SITES)])
@pytest.mark.parametrize("hidden", [16, 13])
def test_every_variant_at_every_site(variant: str, hidden: int) -> None:
    check(variant, ("*",), options={"layers": 3, "hidden": hidden})


@pytest.mark.parametrize("options", [{"adjacency": "dense"}, {"batch_norm": "before_activation"}, {"hidden": 5}])
def test_other_options(options: dict[str, Any]) -> None:
    check("drop_edge", ("edges",), options={"layers": 3, **options})


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_evaluation_with_noise_draws_for_one_graph(mode: str) -> None:
    """Not for as many as there are nodes in a chunk, each with a graph's noise: that took 3 GB on Cora."""
    common = {"options": {"hidden": 12}, "batch_size": 100, "split": {"n_train": None}, "epochs": 1}
    runs = [
        make_spec(GCN, variant="standard", rate=0.5, seed=s, **common).model_copy(  # type: ignore[arg-type]
            update={"eval": EvalSpec(mode=mode, passes=3)}
        )
        for s in (3, 4)
    ]
    together = Trained(*runs, table=TABLE)
    assert together.cohort.replicas.noise_chunk == 1
    for run in runs:
        assert not differences(run, Trained(run, table=TABLE), together)
    names = {"mc": "test_mc_mutual_information", "ensemble": "test_geometric_loss"}
    assert together[runs[0]].metrics[names[mode]] > 0


def test_a_run_without_noise_beside_noise_at_the_input() -> None:
    """It then multiplies features that noise has been asked about, and alone those that it has not."""
    common = {"options": {"hidden": 12}, "batch_size": 100, "split": {"n_train": None}}
    for variant in ("standard", "alpha", "node_features", "drop_edge"):
        run = make_spec(GCN, variant="none", seed=3, **common)  # type: ignore[arg-type]
        other = [make_spec(GCN, variant=variant, rate=0.5, placement=("*",), seed=s, **common) for s in (2, 4)]  # type: ignore[arg-type]
        assert not differences(run, Trained(run, table=TABLE), Trained(run, *other, table=TABLE))


@pytest.mark.parametrize("density", [0.02, 0.5])
def test_other_graphs(density: float) -> None:
    table = graph_table(150, features=203, edges=600, density=density)
    check("drop_edge", ("edges",), table, options={"hidden": 33, "layers": 4})


def test_a_neighbour_that_stops_early() -> None:
    common = {"batch_size": 100, "split": {"n_train": None}, "options": {"hidden": 12}, "placement": ("*",)}
    stopping = {"epochs": 12, "patience": 2}
    run = make_spec(GCN, variant="drop_edge", rate=0.5, seed=3, lr=0.01, **stopping, **common)  # type: ignore[arg-type]
    quick = [
        make_spec(GCN, variant="drop_edge", rate=0.3, seed=s, lr=lr, **stopping, **common)  # type: ignore[arg-type]
        for s, lr in ((1, 3.0), (2, 0.001), (3, 0.5))
    ]
    together = Trained(run, *quick, table=TABLE)
    assert len({len(r.history) for r in together.results.values()}) > 1
    for spec in (run, *quick):
        assert not differences(spec, Trained(spec, table=TABLE), together)
