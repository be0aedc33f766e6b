"""Other data in the shape of one's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dropbench.data.base import Table
from dropbench.data.foreign import fitted
from dropbench.errors import UsageError


def table(name: str, shape: tuple[int, ...], axes: str, n: int = 12, test: list[int] | None = None) -> Table:
    x = torch.from_numpy(np.random.default_rng(0).random((n, *shape)).astype(np.float32))
    rows = None if test is None else torch.tensor(test)
    return Table(name, x, torch.arange(n) % 2, axes, 2, test=rows)


def words(name: str) -> Table:
    return Table(name, torch.zeros(4, 3, dtype=torch.int64), torch.arange(4) % 2, "T", 2, vocabulary=5)


def test_test_rows_or_all() -> None:
    own = table("own", (4,), "F")
    other = table("other", (4,), "F", test=[5, 2])
    assert torch.equal(fitted(other, own), other.x[[5, 2]])
    assert torch.equal(fitted(own, other), own.x)


def test_grey_and_coloured() -> None:
    grey, colour = table("grey", (1, 4, 4), "CHW"), table("colour", (3, 4, 4), "CHW")
    assert torch.equal(fitted(grey, colour), grey.x.repeat(1, 3, 1, 1))
    red, green, blue = colour.x.unbind(1)
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert torch.allclose(fitted(colour, grey)[:, 0], expected, atol=1e-6)


def test_resized() -> None:
    """Antialiased halving keeps a mean, and what is even stays so; whole pixels of a constant image at any size."""
    small, large = table("small", (1, 6, 6), "CHW"), table("large", (1, 12, 12), "CHW")
    found = fitted(large, small)
    assert found.shape == small.x.shape
    assert found.mean().item() == pytest.approx(large.x.mean().item(), abs=0.02)
    even = Table("even", torch.full((5, 3, 9, 7), 0.25), torch.arange(5) % 2, "CHW", 2)
    assert torch.allclose(fitted(even, small), torch.full((5, 1, 6, 6), 0.25), atol=1e-6)
    assert fitted(small, large).min() >= 0 and fitted(small, large).max() <= 1


@pytest.mark.parametrize(
    ("other", "own"),
    [
        (table("other", (4,), "F"), table("own", (5,), "F")),
        (table("other", (1, 4, 4), "CHW"), table("own", (16,), "F")),
        (table("other", (2, 4, 4), "CHW"), table("own", (3, 4, 4), "CHW")),
        (table("other", (4, 4), "TF"), table("own", (5, 4), "TF")),
        (words("other"), table("own", (3,), "F")),
        (table("other", (3,), "F"), words("own")),
        (words("other"), words("own")),
    ],
)
def test_what_cannot_be_made_to_fit(other: Table, own: Table) -> None:
    with pytest.raises(UsageError, match=r"^data 'other' .*data 'own'.*[^.\n]$"):
        fitted(other, own)
