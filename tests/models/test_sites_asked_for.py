"""Sites with noise only where it is asked for by name: the product, the shortcut and the logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_kit import Recorder, batch, built
from noise_kit import stack_noise
from torch import Tensor
from training import assert_identical, make_spec, table_of

from dropbench.execute.cohorts import cohorts
from dropbench.planning.outline import outline
from dropbench.settings import Settings
from dropbench.sites import Site
from dropbench.spec import RunSpec

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("mlp", {"widths": [5, 4]}, ["hidden.0.before", "hidden.1.before", "output"]),
    (
        "mlp",
        {"widths": [5, 5], "skip": True, "norm": "layer"},
        ["hidden.0.before", "hidden.1.before", "hidden.1.skip", "output"],
    ),
    ("cnn", {}, ["head.0.before"]),
    ("resnet", {}, ["block.0.skip", "block.1.skip", "block.2.skip"]),
    ("autoencoder", {"widths": [6]}, ["hidden.0.before"]),
    ("realmlp", {}, ["hidden.0.before", "hidden.1.before"]),
]


class Everywhere(Recorder):
    def placed(self, site: str) -> bool:
        return True


@pytest.mark.parametrize(("name", "options", "expected"), CASES)
def test_each_is_met_once_with_the_shape_it_says(name: str, options: dict[str, Any], expected: list[str]) -> None:
    model, recorder = built(name, (0, 1), **options), Everywhere()
    model(batch(name, 2, 4), recorder)
    asked = {s.name: s for s in model.sites if s.asked}
    assert sorted(asked) == sorted(expected)
    met = [(n, x) for n, x in recorder.seen if n in asked]
    assert sorted(n for n, _ in met) == sorted(expected)
    assert all(tuple(x.shape) == (2, 4, *asked[n].shape) for n, x in met)


def parts(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The first layer's product, and the logits that follow from what its activation gives."""
    (block,) = model.hidden
    return x @ block.linear.weight + block.linear.bias, model.head


def drawn(site: Site) -> Tensor:
    """The first mask at a site of a seed."""
    return stack_noise("standard", site, [0.5], [3], 4)(site.name, torch.ones(1, 4, *site.shape))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_before_the_activation_the_product_is_dropped(activation: str) -> None:
    model = built("mlp", (0,), widths=[6], activation=activation)
    x = batch("mlp", 1, 4).requires_grad_()
    (site,) = (s for s in model.sites if s.name == "hidden.0.before")
    out = model(x, stack_noise("standard", site, [0.5], [3], 4))
    product, head = parts(model, x)
    expected = head(getattr(torch, activation)(product * drawn(site)))
    torch.testing.assert_close(out, expected)
    one, other = (torch.autograd.grad(t.square().sum(), [*model.parameters()]) for t in (out, expected))
    torch.testing.assert_close(one, other)


def test_at_the_output_logits_are_dropped() -> None:
    model, x = built("mlp", (0,), widths=[6]), batch("mlp", 1, 4)
    (site,) = (s for s in model.sites if s.name == "output")
    noise = stack_noise("standard", site, [0.5], [3], 4)
    out = model(x, noise)
    assert torch.equal(out, model(x, Recorder()) * drawn(site)) and bool((out == 0).any())
    noise.training = False
    assert torch.equal(model(x, noise), model(x, Recorder()))


def test_on_the_shortcut_what_goes_round_the_layer_is_dropped() -> None:
    model, x = built("mlp", (0,), widths=[6, 6], skip=True), batch("mlp", 1, 4)
    (site,) = (s for s in model.sites if s.name == "hidden.1.skip")
    h = model.hidden[0](x, Recorder())
    expected = model.head(h * drawn(site) + model.hidden[1](h, Recorder()))
    torch.testing.assert_close(model(x, stack_noise("standard", site, [0.5], [3], 4)), expected)


def test_what_evaluation_does_is_done_before_the_activation_too() -> None:
    """`classic` scales there."""
    model, x = built("mlp", (0,), widths=[6]), batch("mlp", 1, 4)
    (site,) = (s for s in model.sites if s.name == "hidden.0.before")
    noise = stack_noise("classic", site, [0.5], [3], 4)
    noise.training = False
    product, head = parts(model, x)
    torch.testing.assert_close(model(x, noise), head(torch.relu(product / 2)))


PLACES = ["hidden.0.before", "hidden.1.skip", "output"]


def run(place: str | None, seed: int = 0, rate: float = 0.5) -> RunSpec:
    options = {"widths": [16, 16], "skip": True}
    placement = None if place is None else [place]
    return make_spec("mlp", options=options, placement=placement, rate=rate, seed=seed, epochs=1)


@pytest.mark.parametrize("place", PLACES)
def test_a_run_is_the_same_beside_others_of_its_place(place: str) -> None:
    assert_identical(run(place), [run(place, 1)], [run(place, 0, 0.2), run(place, 2)])


def test_runs_of_other_places_train_apart() -> None:
    """A layer with noise before its activation is computed in another way than one without."""
    none = make_spec(
        "mlp", options={"widths": [16, 16], "skip": True}, variant="none", placement=None, rate=0.0, epochs=1
    )
    specs = [*(run(place) for place in PLACES), run(None), none]
    found = outline(specs[0].model, table_of(specs[0]))
    settings = Settings(device="cpu", results=".", execute={"workers": 1, "threads": 1, "cohort": "auto"})
    groups = cohorts(specs, {s.run_id: found for s in specs}, settings, "cpu", 1)
    assert sorted(sorted(s.dropout.placement or ("usual",) for s in g.specs) for g in groups) == sorted(
        [[(place,)] for place in PLACES] + [[("usual",), ("usual",)]]
    )


def test_they_are_no_units_of_a_layer() -> None:
    """Metrics of hidden units and regularizers of activations look at the usual sites alone."""
    found = outline(run(None).model, table_of(run(None)))
    assert list(found.units) == ["hidden.0", "hidden.1"]
