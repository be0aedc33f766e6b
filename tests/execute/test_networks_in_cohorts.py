"""Arms of a network that was taken over: those that compute it in two ways are in two cohorts."""

from __future__ import annotations

import pytest
import torch
from training import make_spec

from dropbench.config.compose import composer
from dropbench.data.base import Table
from dropbench.execute.cohorts import cohorts
from dropbench.planning.outline import outline
from dropbench.planning.plan import make
from dropbench.settings import Settings


@pytest.mark.parametrize(("variant", "together"), [("standard", True), ("dropconnect", False)])
def test_an_arm_without_noise_joins_those_that_are_computed_as_it_is(variant: str, together: bool) -> None:
    words = ["model=module", "model.target=plain_networks:perceptron", "model.args.width=64", "data=wine", "seed=0,1"]
    with composer() as c:
        plan = make([*words, f"dropout=none,{variant}", "train.epochs=1"], c)
    found = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    assert sorted(map(len, found)) == ([4] if together else [2, 2])


@pytest.mark.parametrize(("variant", "together"), [("standard", True), ("embedding", False)])
def test_words_are_looked_up_in_one_way_in_a_cohort(
    variant: str, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a network may be stacked is another question, and answered with yes."""
    monkeypatch.setattr("dropbench.engine.vmap_check.unstacked", lambda *run: None)
    words = Table("words", torch.arange(40 * 6).view(40, 6) % 20, torch.arange(40) % 2, "T", 2, vocabulary=20)
    options = {"target": "plain_networks.Positions"}
    arms = [("none", 0.0), (variant, 0.5)]
    specs = [
        make_spec("dropbench.models.module.Module", options=options, variant=name, rate=rate, seed=seed)
        for name, rate in arms
        for seed in (0, 1)
    ]
    outlines = {s.run_id: outline(s.model, words) for s in specs}
    settings = Settings(device="cpu", results=".", execute={"workers": 1, "threads": 1, "cohort": 64})
    found = cohorts(specs, outlines, settings, "cpu", 1)
    assert sorted(map(len, found)) == ([4] if together else [2, 2])
