from __future__ import annotations

from math import prod

import pytest
import torch

from dropbench.data.views import apply, check, view_shape, views
from dropbench.errors import UsageError

SHAPES = {"CHW": (3, 4, 5), "F": (7,), "TF": (6, 2)}
PAIRS = [(axes, view) for axes in SHAPES for view in views(axes)]


@pytest.mark.parametrize(("axes", "view"), PAIRS)
@pytest.mark.parametrize("lead", [(), (2,), (4, 2)])
def test_apply_has_the_shape_that_view_shape_says_and_keeps_every_number(
    axes: str, view: str, lead: tuple[int, ...]
) -> None:
    shape = SHAPES[axes]
    x = torch.arange(prod(lead) * prod(shape), dtype=torch.float32).reshape(*lead, *shape)
    seen = apply(x, axes, view)
    expected, letters = view_shape(shape, axes, view)
    assert seen.shape == (*lead, *expected)
    assert len(letters) == len(expected)
    assert torch.equal(seen.flatten().sort().values, x.flatten())
    assert view in views(letters)  # what was viewed can be viewed so again, and that changes nothing
    assert torch.equal(apply(seen, letters, view), seen)


def test_a_step_of_an_image_is_one_row_of_every_channel() -> None:
    x = torch.rand(2, 3, 4, 5)
    steps = apply(x, "CHW", "sequence")
    assert torch.equal(steps[1, 2], x[1, :, 2].flatten())
    assert torch.equal(steps.unflatten(-1, (3, 5)).movedim(-2, -3), x)  # and back


@pytest.mark.parametrize("view", views("CHW"))
def test_normalising_commutes_with_viewing(view: str) -> None:
    x, mean = torch.rand(2, 3, 4, 5), torch.rand(3, 1, 1)
    assert torch.equal(apply(x - mean, "CHW", view), apply(x, "CHW", view) - apply(mean.expand(3, 4, 5), "CHW", view))


def test_check_takes_the_first_that_the_model_eats() -> None:
    assert check("rnn", ("sequence", "flat"), "digits", "CHW") == "sequence"
    assert check("rnn", ("sequence", "flat"), "wine", "F") == "flat"
    assert check("mlp", ("flat",), "ptb", "TF") == "flat"


def test_check_says_what_would_fit() -> None:
    with pytest.raises(UsageError) as error:
        check("cnn", ("image",), "wine", "F")
    assert str(error.value) == (
        "model 'cnn' eats image, but data 'wine' can only be flat; choose data with axes CHW, or a model that eats flat"
    )


def test_a_view_that_check_would_refuse_is_a_bug() -> None:
    with pytest.raises(ValueError, match="check"):
        apply(torch.zeros(2, 3), "F", "image")
