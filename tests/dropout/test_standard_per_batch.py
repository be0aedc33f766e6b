"""Standard dropout with one mask for all examples of a batch."""

from __future__ import annotations

import pytest
import torch
from noise_kit import SET_UP, factor, site, stack_noise
from specs_kit import spec_of
from training import Trained, differences, make_spec

from dropbench.config.compose import Composer
from dropbench.engine.noise import StackNoise
from dropbench.engine.site_noise import Acting
from dropbench.spec import RunSpec


@pytest.mark.parametrize("where", ["f", "maps", "steps"])
def test_examples_share_a_mask_and_elements_do_not(where: str) -> None:
    at = site(where)
    noise = stack_noise("standard.batch", at, [0.5], [0], 32)
    first, second = factor(noise, at, 1, 32)[0], factor(noise, at, 1, 32)[0]
    assert torch.equal(first, first[:1].expand_as(first)) and not torch.equal(first, second)
    alone = first[0]
    assert not any(torch.equal(alone, alone.narrow(axis, 0, 1).expand_as(alone)) for axis in range(alone.ndim))


def test_a_site_may_hold_it_beside_other_masks() -> None:
    """In a stack each replica gets what it would get by itself."""
    at, x = site("f"), torch.randn(2, 16, 48)
    both = [SET_UP["standard"], SET_UP["standard.batch"]]
    arms = [[Acting(v, name, at, 0.5, at.name, at.name)] for v, name in zip(both, "ab", strict=True)]
    together = StackNoise.of_arms(arms, both, [at], [3, 3], 16, torch.device("cpu"))(at.name, x)
    for k, name in enumerate(("standard", "standard.batch")):
        assert torch.equal(together[k], stack_noise(name, at, [0.5], [3], 16)(at.name, x[k : k + 1])[0])


def test_the_usual_way_is_no_part_of_an_id(c: Composer) -> None:
    usual, said, batch = (spec_of(c, "dropout=standard", *more) for more in ([], ["dropout.per=element"], [PER_BATCH]))
    assert usual == said and usual.run_id == said.run_id and "per" not in usual.as_dict()["dropout"]
    assert batch.run_id != usual.run_id and batch.as_dict()["dropout"]["per"] == "batch"


PER_BATCH = "dropout.per=batch"


def test_a_run_is_the_same_beside_others() -> None:
    def run(per: str, seed: int) -> RunSpec:
        made = make_spec(rate=0.5, epochs=1, seed=seed)
        options = {"per": "batch"} if per == "batch" else {}
        return made.model_copy(
            update={"variants": tuple(v.model_copy(update={"options": options}) for v in made.variants)}
        )

    runs = [run("batch", 0), run("element", 0), run("batch", 1)]
    together = Trained(*runs)
    for one in runs:
        assert not differences(one, Trained(one), together)
    assert together[runs[0]].metrics != together[runs[1]].metrics
