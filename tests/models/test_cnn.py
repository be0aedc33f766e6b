from __future__ import annotations

from typing import get_args

import pytest
import torch
from model_kit import Recorder, batch, built, table

from dropbench.errors import UsageError
from dropbench.nn.activation import Activation, monotone

PLACES = ["none", "before_activation", "after_activation", "after_dropout"]


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("place", PLACES)
def test_max_pooling_may_go_first_where_the_activation_is_monotone(activation: Activation, place: str) -> None:
    first, after = (built("cnn", (0, 1), activation=activation, batch_norm=place) for _ in range(2))
    assert all(b.pool_first == monotone(activation) for b in first.blocks)
    for block in after.blocks:
        block.pool_first = False
        if block.norm is not None:  # a negative scale turns the largest into the smallest
            torch.nn.init.normal_(block.norm.weight, generator=torch.Generator().manual_seed(0))
    first.load_state_dict(after.state_dict())
    x = batch("cnn", 2, 4)
    torch.testing.assert_close(first(x, Recorder()), after(x, Recorder()))


@pytest.mark.parametrize("pooling", ["avg", "none"])
def test_only_max_pooling_goes_first(pooling: str) -> None:
    assert not any(b.pool_first for b in built("cnn", pooling=pooling).blocks)


HALVED = [(4, 3), (2, 1), (2, 1), (2, 1)]


@pytest.mark.parametrize(("pooling", "sides"), [("max", HALVED), ("avg", HALVED), ("none", [(8, 6)] * 4)])
def test_maps_are_halved_while_they_can_be(pooling: str, sides: list[tuple[int, int]]) -> None:
    model = built("cnn", channels=[2, 3, 4, 5], pooling=pooling)
    assert [b.site.shape for b in model.blocks] == [(c, *s) for c, s in zip([2, 3, 4, 5], sides, strict=True)]


def test_two_pixels_are_halved_and_one_is_not() -> None:
    model = built("cnn", data=table("CHW", 1, 4, 4), channels=[2, 2, 2])
    assert [b.site.shape for b in model.blocks] == [(2, 2, 2), (2, 1, 1), (2, 1, 1)]


def test_averages_are_taken_after_the_activation() -> None:
    model = built("cnn", channels=[3], pooling="avg", head_widths=[])
    recorder = Recorder()
    x = batch("cnn")
    model(x, recorder)
    maps = torch.relu(model.blocks[0].conv(x))
    by_hand = maps.unfold(3, 2, 2).unfold(4, 2, 2).mean((-1, -2))
    torch.testing.assert_close(dict(recorder.seen)["conv.0"], by_hand)


@pytest.mark.parametrize("kernel", [2, 4])
def test_an_even_kernel_is_a_sentence(kernel: int) -> None:
    with pytest.raises(UsageError, match=f"model.kernel={kernel}: .*try {kernel + 1}"):
        built("cnn", kernel=kernel)


def test_one_pixel_is_an_image() -> None:
    model = built("cnn", data=table("CHW", 1, 1, 1))
    assert model(torch.randn(1, 2, 1, 1, 1), Recorder()).shape == (1, 2, 3)
