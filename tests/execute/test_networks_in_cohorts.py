"""Arms of a network that was taken over: those that compute it in two ways are in two cohorts."""

from __future__ import annotations

import pytest

from dropbench.config.compose import composer
from dropbench.execute.cohorts import cohorts
from dropbench.planning.plan import make


@pytest.mark.parametrize(("variant", "together"), [("standard", True), ("dropconnect", False)])
def test_an_arm_without_noise_joins_those_that_are_computed_as_it_is(variant: str, together: bool) -> None:
    words = ["model=module", "model.target=plain_networks:perceptron", "model.args.width=64", "data=wine", "seed=0,1"]
    with composer() as c:
        plan = make([*words, f"dropout=none,{variant}", "train.epochs=1"], c)
    found = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)
    assert sorted(map(len, found)) == ([4] if together else [2, 2])
