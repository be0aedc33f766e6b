from __future__ import annotations

import pytest
import torch
from noise_kit import VARIANTS, stack_noise
from small_transformer import transformer

from dropbench.engine.noise import StackNoise
from dropbench.sites import Site
from dropbench.sites.placement import site_rates


def test_rows_of_weights_add_up_to_one_on_average_only() -> None:
    at = Site("attended", "attention", (2, 3, 50), "ATS")
    noise = stack_noise("attention", at, [0.3], [0], 400)
    rows = noise("attended", torch.softmax(torch.randn(1, 400, 2, 3, 50), -1)).sum(-1)
    assert float(rows.std()) > 0.05
    assert float(rows.mean()) == pytest.approx(1, abs=5 * float(rows.std()) / rows.numel() ** 0.5)


@pytest.mark.parametrize(("placement", "kind"), [(["*.attention"], "attention"), (["*.feedforward"], "feedforward")])
def test_placement_chooses_one_or_the_other(placement: list[str], kind: str) -> None:
    model = transformer()
    rates = site_rates(VARIANTS["attention"], model.sites, 0.5, {}, placement)
    assert list(rates) == [s.name for s in model.sites if s.kind == kind] != []
    both = site_rates(VARIANTS["attention"], model.sites, 0.5, {}, None)
    assert list(both) == [s.name for s in model.sites if s.kind in ("attention", "feedforward")]


def test_standard_acts_on_hidden_layers_and_not_on_weights() -> None:
    rates = site_rates(VARIANTS["standard"], transformer().sites, 0.5, {}, None)
    assert "block.0.feedforward" in rates and "block.0.attention" not in rates and "input" not in rates


def test_off_in_evaluation() -> None:
    """torch's function goes on dropping there, unless it is told."""
    model = transformer((0, 1))
    x = torch.randn(2, 4, 2, 8, 6)
    each = [dict.fromkeys(("block.0.attention", "block.1.attention"), r) for r in (0.3, 0.9)]
    noise = StackNoise(VARIANTS["attention"], model.sites, each, [0, 1], 4, torch.device("cpu"))
    assert noise.acts("block.0.attention")
    assert not torch.equal(model(x, noise), model(x, noise))
    noise.training = False
    assert not noise.acts("block.0.attention")
    assert torch.equal(model(x, noise), model(x, noise))
    assert torch.equal(model(x, noise), model(x, stack_noise("none", [], [0.0, 0.0], [0, 1], 4)))
