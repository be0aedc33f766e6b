from __future__ import annotations

from typing import Any

import torch
from noise_kit import VARIANTS, stack_noise
from small_transformer import transformer
from training import Trained, arms, assert_identical, make_spec

from dropbench.sites.placement import site_rates

LAYERS: dict[str, Any] = {"branches": "layer", "width": 16, "heads": 2, "feedforward": 20, "layers": 3}


def test_all_layers_have_one_rate() -> None:
    rates = site_rates(VARIANTS["layer_drop"], transformer(layers=3, branches="layer").sites, 0.2, {}, None)
    assert rates == {f"block.{i}": 0.2 for i in range(3)}


def test_it_is_stochastic_depth_at_one_rate_for_a_batch() -> None:
    common: dict[str, Any] = {"options": LAYERS, "rate": 0.4, "batch_size": 33, "epochs": 2}
    run = make_spec("transformer", variant="layer_drop", **common)
    of_depth = make_spec("transformer", variant="stochastic_depth", **common)
    options = {"decay": "uniform", "per": "batch"}
    same = of_depth.model_copy(update={"dropout": of_depth.dropout.model_copy(update={"options": options})})
    by_example = of_depth.model_copy(
        update={"dropout": of_depth.dropout.model_copy(update={"options": {**options, "per": "example"}})}
    )
    one, other, third = (next(iter(Trained(r).weights.values())) for r in (run, same, by_example))
    assert all(torch.equal(t, other[n]) for n, t in one.items())
    assert not all(torch.equal(t, third[n]) for n, t in one.items())


def test_what_is_left_is_the_network_of_the_layers_that_are_kept() -> None:
    """Each times 1 / (1 - rate), for all examples of a batch: x + layer(x) / keep, layer by layer."""
    model = transformer([0], layers=3, branches="layer", patch=2)
    names = [s for s in model.sites if s.kind == "branch"]
    silent = stack_noise("none", model.sites, [0.0], [0], 5)
    x = torch.randn(1, 5, 2, 8, 6)
    start = torch.randn(1, 5, 12, 6)
    seen = set()
    noise = stack_noise("layer_drop", names, [0.5], [4], 5)
    masks = stack_noise("layer_drop", names, [0.5], [4], 5)
    for _ in range(12):
        h = expected = start
        for site, block in zip(names, model.blocks, strict=True):
            factor = masks.at(site.name).mask(5, torch.float32)  # type: ignore[union-attr]
            assert factor.numel() == 1 and float(factor) in (0, 2)
            h = h + noise.branch(site.name, block, h)
            expected = expected + float(factor) * block(expected, silent)
            seen.add((site.name, float(factor)))
        torch.testing.assert_close(h, expected)
    assert len(seen) == 6
    noise.training = False
    assert torch.equal(model(x, noise), model(x, silent))


def test_where_layers_are_no_branches_the_sentence_says_what_to_type() -> None:
    reasons = [VARIANTS["layer_drop"].supports(s) for s in transformer().sites if s.kind == "branch"]
    assert (
        reasons[0]
        == "drops whole layers, and block.0.attention.branch is only a part of one; type model.branches=layer"
    )
    assert None not in reasons


def test_runs_have_their_bits_in_any_stack() -> None:
    run, cohorts = arms("transformer", "layer_drop", {}, options=LAYERS, batch_size=33, split={"n_train": 100})
    assert_identical(run, cohorts[-1], cohorts[1])
