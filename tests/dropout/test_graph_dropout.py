"""DropEdge and node features: what shares a draw, what is scaled, and where they act by default."""

from __future__ import annotations

import math

import pytest
import torch
from graphs import graph_table
from noise_kit import VARIANTS, factor, site, stack_noise
from specs_kit import spec_of

from dropbench.config.compose import Composer
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.planning.variants import arm_rates
from dropbench.sites import Site
from dropbench.spec import RunSpec


def spec(c: Composer, variant: str, *others: str) -> RunSpec:
    return spec_of(c, "model=gcn", f"dropout={variant}", "data=cora", *others)


def test_edges_are_kept_or_dropped_and_never_scaled() -> None:
    kept = factor(stack_noise("drop_edge", site("edges"), [0.3], [0], 40), site("edges"), 1, 40)
    assert set(kept.unique().tolist()) == {0.0, 1.0}


def test_the_number_of_dropped_edges_varies_as_independent_draws_do() -> None:
    """Rong et al. drop the same number at every step: this is the difference that the docstring states."""
    at = Site("edges", "edge", (5278,), "E")
    noise = stack_noise("drop_edge", at, [0.5], [0], 1)
    dropped = torch.stack([(noise("edges", torch.ones(1, 1, 5278)) == 0).sum() for _ in range(400)]).double()
    assert abs(float(dropped.mean()) - 2639) < 5 * math.sqrt(5278 / 4 / 400)
    deviation = math.sqrt(5278 * 0.5 * 0.5)
    assert round(deviation) == 36
    assert abs(float(dropped.std()) - deviation) < 5 * deviation / math.sqrt(2 * 400)


def test_a_node_loses_all_features_or_none() -> None:
    kept = factor(stack_noise("node_features", site("nodes"), [0.5], [0], 30), site("nodes"), 1, 30)[0]
    assert torch.equal(kept, kept[:, :, :1].expand_as(kept)) and set(kept.unique().tolist()) == {0.0, 2.0}
    assert float(kept[:, :, 0].mean(0).std()) > 0, "nodes differ"


def test_default_places(c: Composer) -> None:
    sites = outline(spec(c, "none").model, graph_table()).sites
    assert list(arm_rates(spec(c, "drop_edge").dropout, sites)) == ["edges"]
    assert list(arm_rates(spec(c, "node_features").dropout, sites)) == ["input"], "the paper's DropNode"
    assert list(arm_rates(spec(c, "standard").dropout, sites)) == ["hidden.0"]
    everywhere = spec(c, "node_features", "dropout.placement=['*']")
    assert list(arm_rates(everywhere.dropout, sites)) == ["input", "hidden.0"]


@pytest.mark.parametrize(
    ("variant", "why"),
    [
        ("spatial", "it drops whole feature maps, and hidden.0 has none"),
        ("locked", "it uses one mask for all time steps, and hidden.0 has no time axis"),
    ],
)
def test_variants_of_maps_and_sequences_say_why_not(c: Composer, variant: str, why: str) -> None:
    run, table = spec(c, variant), graph_table()
    assert check(run, table, outline(run.model, table)) == f"dropout={variant} has no site in model=gcn: {why}"


def test_graph_variants_say_why_not_elsewhere() -> None:
    assert VARIANTS["drop_edge"].supports(site("nodes")) == "acts on edge sites, and nodes is of kind activation"
    assert VARIANTS["node_features"].supports(site("f")) == "drops the features of whole nodes, and f has no node axis"
