from __future__ import annotations

import copy
import pickle
from math import prod
from pathlib import Path

import pytest
import torch
from own_tables import loaded, mixed

from dropbench.data.base import Graph, Table
from dropbench.data.views import Shape, apply, check, view_shape, views
from dropbench.errors import UsageError

SHAPES = {"CHW": (3, 4, 5), "F": (7,), "TF": (6, 2)}
LETTERS = {"flat": "F", "image": "CHW", "sequence": "TF"}
PAIRS = [(axes, view) for axes in SHAPES for view in views(axes)]


@pytest.mark.parametrize(("axes", "view"), PAIRS)
@pytest.mark.parametrize("lead", [(), (2,), (4, 2)])
def test_apply_has_the_shape_that_view_shape_says_and_keeps_every_number(
    axes: str, view: str, lead: tuple[int, ...]
) -> None:
    shape = SHAPES[axes]
    x = torch.arange(prod(lead) * prod(shape), dtype=torch.float32).reshape(*lead, *shape)
    seen = apply(x, axes, view)
    expected = view_shape(Table("toy", torch.zeros(1, *shape), torch.zeros(1), axes, 1), view)
    assert seen.shape == (*lead, *expected)
    assert expected.view == view
    letters = LETTERS[view]
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


def indices(axes: str, steps: int = 1) -> Table:
    """Twelve examples of numbers to look up: seven words, or the nodes of a graph with five features and three edges."""
    edges = torch.tensor([[0, 1, 2], [1, 2, 3]])
    return Table(
        "numbers",
        torch.arange(12 * steps).reshape(12, steps) % 7,
        torch.zeros(12, dtype=torch.int64),
        axes,
        2,
        test=torch.arange(10, 12),
        val=torch.arange(8, 10),
        vocabulary=7,
        window=4,
        graph=Graph(torch.rand(12, 5), edges),
    )


@pytest.mark.parametrize(
    ("axes", "steps", "view", "shape", "seen"),
    [("T", 6, "tokens", (6, 7), (12, 6)), ("W", 1, "text", (4, 7), (12, 1)), ("N", 1, "graph", (12, 5), (12,))],
)
def test_numbers_to_look_up(axes: str, steps: int, view: str, shape: tuple[int, ...], seen: tuple[int, ...]) -> None:
    table = indices(axes, steps)
    assert views(axes) == (view,)
    found = view_shape(table, view)
    assert (found, found.view, found.edges) == (shape, view, 3 if view == "graph" else 0)
    x = apply(table.x, axes, view)
    assert x.dtype == torch.int64 and x.shape == seen
    assert torch.equal(apply(table.x[None], axes, view)[0], x)


def test_a_shape_is_a_tuple_that_keeps_its_view() -> None:
    shape = Shape((4, 7), "tokens", 3, 5, (2, 4))
    for other in (copy.copy(shape), copy.deepcopy(shape), pickle.loads(pickle.dumps(shape))):
        assert isinstance(other, Shape) and other == (4, 7) and (other.view, other.edges) == ("tokens", 3)
        assert (other.numbers, other.levels) == (5, (2, 4))


def test_a_table_says_which_inputs_are_numbers_and_which_belong_to_a_category(tmp_path: Path) -> None:
    """Numbers come first, then flags of gaps, then each category's levels."""
    table = loaded(tmp_path, mixed())
    shape = view_shape(table, "flat")
    assert table.prepared is not None
    named = table.prepared.columns.inputs
    assert shape == (len(named),) and 0 < shape.numbers < len(named)
    assert not any("=" in name or name.endswith(" missing") for name in named[: shape.numbers])
    assert all("=" in name for name in named[len(named) - sum(shape.levels) :])
    assert shape.levels == tuple(len(c.levels) for c in table.prepared.columns.columns if c.kind == "category")
    assert view_shape(Table("toy", torch.zeros(4, 5), torch.arange(4), "F", 4), "flat").numbers == 5


def test_text_goes_to_no_other_model() -> None:
    for eats in (("flat",), ("image",), ("sequence", "tokens"), ("graph",)):
        with pytest.raises(
            UsageError, match=r"data 'ptb' can only be given as text; .* or a model that takes text input$"
        ):
            check("some", eats, "ptb", "W")
    assert check("rnn", ("sequence", "tokens"), "mr", "T") == "tokens"


def test_check_takes_the_first_that_the_model_eats() -> None:
    assert check("rnn", ("sequence", "flat"), "digits", "CHW") == "sequence"
    assert check("rnn", ("sequence", "flat"), "wine", "F") == "flat"
    assert check("mlp", ("flat",), "ptb", "TF") == "flat"


def test_check_says_what_would_fit() -> None:
    with pytest.raises(UsageError) as error:
        check("cnn", ("image",), "wine", "F")
    assert str(error.value) == (
        "model 'cnn' takes image input, but data 'wine' can only be given as flat; choose data that are images, "
        "or a model that takes flat input"
    )


def test_a_view_that_check_would_refuse_is_a_bug() -> None:
    with pytest.raises(ValueError, match="check"):
        apply(torch.zeros(2, 3), "F", "image")
