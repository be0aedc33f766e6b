"""What planning tells regularizers of a model, and what is said of those that change nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from texts import running_text
from training import cohort_of, make_spec, table_of

from dropbench.engine.step import Update
from dropbench.nn.cross_entropy import cross_entropy, laid_out
from dropbench.planning.checks import warnings
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import given

WHOLE: dict[str, tuple[str, ...]] = {
    "mlp": ("hidden.0", "hidden.1"),
    "cnn": ("conv.0", "conv.1", "head.0"),
    "rnn": ("head",),
    "resnet": ("head",),
    "transformer": ("embedded", "head"),
    "autoencoder": ("hidden.0", "hidden.1", "hidden.2"),
}


@pytest.mark.parametrize("model", WHOLE)
def test_sites_inside_of_residual_branches_are_told_from_others(model: str) -> None:
    run = make_spec(model)
    told = given(outline(run.model, table_of(run)), table_of(run))
    assert told.whole == WHOLE[model] and set(told.whole) <= set(told.sites) and "input" not in told.sites


def test_steps_are_those_of_a_sites_activation() -> None:
    table = running_text(words=13, window=4, train=200, val=50, test=50)
    assert given(outline(make_spec("lm").model, table), table).sites == {"embedded": 4, "hidden.0": 4, "head": 4}
    run = make_spec("rnn", options={"layers": 2})  # reads the last step
    assert given(outline(run.model, table_of(run)), table_of(run)).sites == {"hidden.0": 8, "head": 1}


@pytest.mark.parametrize("name", ["r_drop", "multi_sample"])
def test_passes_without_dropout_change_nothing_and_that_is_said(name: str) -> None:
    for rate, said in ((0.0, True), (0.5, False)):
        run = with_regularizers(make_spec("mlp", variant="standard", rate=rate), of(name))
        told = warnings(run, outline(run.model, table_of(run)))
        assert any("it only makes training slower" in text for text in told) is said
    same = make_spec("mlp")
    losses = []
    for run in (same, with_regularizers(same, of(name))):
        training = cohort_of(run)
        training.train_step(next(iter(training.replicas.batches.epoch(0))), 1.0)
        losses.append([p.detach().clone() for p in training.replicas.model.parameters()])
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize("name", ["input_noise"])
def test_an_autoencoder_is_asked_for_the_input_before_it_was_changed(name: str) -> None:
    run = with_regularizers(make_spec("autoencoder", metrics=("loss",)), of(name, 0.5))
    training = cohort_of(run)
    batch = next(iter(training.replicas.batches.epoch(0)))
    update = Update(training.replicas, training.regularization, batch)
    assert not torch.equal(update.batch.x, batch.x)
    expected = (update.output - batch.x).square().mean()
    assert update.loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("more", [(), (4,)])
def test_a_gradient_laid_out_lies_as_that_of_the_cross_entropy(classes: int, more: Any) -> None:
    logits = torch.randn(2, 5, *more, classes, requires_grad=True)
    targets = torch.zeros(2, 5 * (more or (1,))[0], dtype=torch.int64)
    hooked: list[torch.Tensor] = []
    same = logits.view_as(logits)
    same.register_hook(hooked.append)
    cross_entropy(same.flatten(1, -2), targets).sum().backward()
    (gradient,) = hooked
    assert laid_out(gradient.contiguous()).stride() == gradient.stride()
    assert torch.equal(laid_out(gradient), gradient)


@pytest.mark.parametrize(
    ("model", "options", "whole"),
    [
        ("mlp", {}, ("hidden.0", "hidden.1")),
        ("mlp", {"skip": True, "widths": [24, 24, 24]}, ("hidden.0",)),
        ("mlp", {"skip": True, "two_branches": True, "widths": [24, 24]}, ("hidden.0",)),
        ("resnet", {}, ("head",)),
    ],
)
def test_what_a_shortcut_goes_past_is_no_place_to_mix(
    model: str, options: dict[str, Any], whole: tuple[str, ...]
) -> None:
    spec = make_spec(model, options=options)
    table = table_of(spec)
    assert given(outline(spec.model, table), table).whole == whole
