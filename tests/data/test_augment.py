from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data._torchvision import kernels, torchvision
from dropbench.data.augment import DRAWS, Draws, apply, check, parameters
from dropbench.errors import UsageError
from dropbench.spec import Augment

ALL = Augment(crop=2, flip=0.5, rotation=15, erase=0.5)
SETTINGS = st.builds(
    Augment, crop=st.integers(0, 5), flip=st.floats(0, 1), rotation=st.floats(0, 180), erase=st.floats(0, 1)
)


def images(n: int, channels: int = 2, height: int = 7, width: int = 9) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))


def rows(draws: Draws) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(draws, f.name).tolist() for f in fields(draws)), strict=True))


def one_by_one(x: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The same by torchvision's kernels, an example at a time, as its own transforms would."""
    k, (height, width), done = kernels(), x.shape[-2:], []
    for image, (dy, dx, flip, angle, top, left, tall, wide) in zip(x, rows(draws), strict=True):
        most = 5
        image = k.crop(k.pad(image, [most]), most + int(dy), most + int(dx), height, width)
        image = k.horizontal_flip(image) if flip else image
        image = k.rotate(image, angle, interpolation="bilinear") if angle else image
        if tall:
            image = k.erase(image, int(top), int(left), int(tall), int(wide), torch.zeros(1, 1, 1))
        done.append(image)
    return torch.stack(done)


@given(SETTINGS, st.integers(0, 2**32))
def test_equals_torchvision_an_example_at_a_time(raw, augment: Augment, seed: int) -> None:
    x = images(6)
    draws = parameters(augment, 6, 7, 9, raw(seed))
    torch.testing.assert_close(apply(x, draws), one_by_one(x, draws), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [(7, 9), (28, 28)])
@pytest.mark.parametrize("rotation", [10, 45.5, 180])
def test_a_rotation_is_torchvisions_to_the_last_bit_in_any_company(raw, rotation: float, side: tuple[int, int]) -> None:
    x = images(40, 3, *side)
    draws = parameters(Augment(rotation=rotation), 40, *side, raw(1))
    assert torch.equal(apply(x, draws), one_by_one(x, draws))


def test_nothing_asked_for_is_the_same_tensor(raw) -> None:
    x = images(4)
    assert apply(x, parameters(Augment(), 4, 7, 9, raw(0))) is x


@pytest.mark.parametrize("augment", [Augment(crop=2), Augment(flip=1), Augment(rotation=10), Augment(erase=1), ALL])
def test_the_input_is_left_as_it_was_and_the_range_kept(raw, augment: Augment) -> None:
    x = images(8)
    before = x.clone()
    y = apply(x, parameters(augment, 8, 7, 9, raw(0)))
    assert torch.equal(x, before)
    assert y.shape == x.shape and y.dtype == x.dtype
    assert not torch.equal(x, y)
    assert y.min() >= 0 and y.max() <= 1


@given(SETTINGS)
def test_words_taken_are_the_same_whatever_is_switched_on(augment: Augment) -> None:
    taken: list[int] = []

    def count(n: int) -> np.ndarray:
        taken.append(n)
        return np.random.SFC64(0).random_raw(n)

    parameters(augment, 5, 7, 9, count)
    assert taken == [5 * DRAWS]


@given(st.integers(0, 2**32))
def test_an_example_does_not_depend_on_the_others(raw, seed: int) -> None:
    together = rows(parameters(ALL, 6, 7, 9, raw(seed)))
    stream = raw(seed)
    assert [rows(parameters(ALL, 1, 7, 9, stream))[0] for _ in range(6)] == together


def test_settings_share_what_they_have_in_common(raw) -> None:
    some, more = (parameters(a, 50, 28, 28, raw(3)) for a in (Augment(crop=4), Augment(crop=4, flip=0.5, erase=0.3)))
    assert torch.equal(some.dy, more.dy) and torch.equal(some.dx, more.dx)


def test_the_global_generator_is_untouched(raw) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    apply(images(8), parameters(ALL, 8, 7, 9, raw(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_have_their_distributions(raw) -> None:
    n = 20_000
    d = parameters(Augment(crop=4, flip=0.3, rotation=15, erase=0.25), n, 32, 32, raw(0))
    for shift in (d.dy, d.dx):
        counts = torch.bincount(shift + 4, minlength=9)
        assert len(counts) == 9 and (abs(counts - n / 9) < 5 * (n / 9) ** 0.5).all()
    assert d.flip.float().mean().item() == pytest.approx(0.3, abs=0.015)
    assert d.angle.unique().tolist() == list(range(-15, 16))
    erased = d.height > 0
    assert torch.equal(erased, d.width > 0)
    assert erased.float().mean().item() == pytest.approx(0.25, abs=0.015)
    assert ((d.top + d.height)[erased] <= 32).all() and ((d.left + d.width)[erased] <= 32).all()
    assert (d.top >= 0).all() and (d.left >= 0).all()


def test_erased_rectangles_are_distributed_as_random_erasing_s(raw) -> None:
    kernels()  # loads transforms.v2
    n = 3000
    d = parameters(Augment(erase=1), n, 24, 16, raw(0))
    torch.manual_seed(0)
    transform, image = torchvision().transforms.v2.RandomErasing(p=1), torch.zeros(1, 24, 16)
    theirs = [transform.make_params([image]) for _ in range(n)]
    for mine, key in ((d.height, "h"), (d.width, "w"), (d.top, "i"), (d.left, "j")):
        other = torch.tensor([float(t[key]) for t in theirs if t.get("v") is not None])
        error = (mine.double().var() / n + other.double().var() / len(other)).sqrt().item()
        assert mine.double().mean().item() == pytest.approx(other.mean().item(), abs=4 * error)
        assert mine.double().std().item() == pytest.approx(other.std().item(), rel=0.1)


def test_a_fraction_of_a_degree_still_rotates(raw) -> None:
    angles = parameters(Augment(rotation=0.5), 100, 7, 9, raw(0)).angle
    assert angles.unique().tolist() == [-0.5, 0.0, 0.5]


def test_check_is_a_sentence() -> None:
    check(ALL, "digits", "CHW")
    check(Augment(), "wine", "F")
    with pytest.raises(UsageError, match=r"train\.augment works only on images, but data 'wine' are not images"):
        check(ALL, "wine", "F")
