"""DropBlock's realised rate in every place of every map, its squares by hand, and what others' gamma does."""

from __future__ import annotations

import itertools
import math
import zlib

import numpy as np
import pytest
import torch
from noise_kit import factor
from torch import Tensor

from dropbench.data._torchvision import torchvision
from dropbench.dropout.dropblock import DropBlock, _seed_levels
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site

SIZES = [(1, 1), (2, 2), (1, 6), (3, 3), (4, 4), (5, 8), (7, 7), (8, 5), (9, 9)]
BLOCKS = [1, 2, 3, 4, 5, 7]


def kept(
    size: tuple[int, int],
    block: int,
    rate: float,
    *,
    batch: int,
    channels: int = 3,
    shared: bool = False,
    seed: int = 0,
) -> Tensor:
    """[B, C, H, W], whether an element is kept, at one step."""
    at = Site("maps", "activation", (channels, *size), "CHW")
    variant = DropBlock(block_size=block, shared=shared)
    noise = StackNoise(variant, [at], [{"maps": rate}], [seed], batch, torch.device("cpu"))
    return factor(noise, at, 1, batch)[0] != 0


def levels(size: tuple[int, int], block: int, rate: float) -> tuple[np.ndarray, float]:
    sides = [min(block, n) for n in size]
    grid = [n + b - 1 for n, b in zip(size, sides, strict=True)]
    found, keep = _seed_levels(torch.tensor(rate).view(1, 1, 1, 1, 1), sides, grid)
    return found.expand(1, 1, 1, *grid)[0, 0, 0].numpy(), float(keep)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_probability_is_the_rate_in_every_place(size: tuple[int, int], block: int) -> None:
    """Exactly, as a product over the seeds that reach a place; as near to the rate as 16 bits are for other variants."""
    for rate in (0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 0.99):
        seeds, keep = levels(size, block, rate)
        for i, j in itertools.product(range(size[0]), range(size[1])):
            window = seeds[i : i + min(block, size[0]), j : j + min(block, size[1])]
            product = np.prod(window / 65536)
            assert product == pytest.approx(keep, rel=1e-12)
            assert abs(1 - product - rate) <= 2**-17 * 1.01 and abs(1 - product - rate) < 0.01 * rate


def test_one_threshold_for_all_seeds_would_be_too_coarse() -> None:
    gamma = round((1 - 0.99 ** (1 / 49)) * 65536) / 65536
    assert abs(1 - (1 - gamma) ** 49 - 0.01) > 0.03 * 0.01


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", BLOCKS)
def test_realised_rate_over_the_map_and_in_its_corner_and_centre(size: tuple[int, int], block: int) -> None:
    """Five standard errors, of maps, whose elements fall together."""
    n, rate = 6000, 0.3
    dropped = ~kept(size, block, rate, batch=n // 3).flatten(0, 1)
    per_map = dropped.double().mean((1, 2))
    assert abs(float(per_map.mean()) - rate) < 5 * float(per_map.std()) / math.sqrt(n)
    for place in (dropped[:, 0, 0], dropped[:, -1, -1], dropped[:, size[0] // 2, size[1] // 2]):
        assert abs(float(place.double().mean()) - rate) < 5 * math.sqrt(rate * (1 - rate) / n)


@pytest.mark.parametrize("block", [2, 3, 5])
def test_two_places_are_kept_together_as_often_as_the_union_of_their_seeds_has_none(block: int) -> None:
    n, rate = 20_000, 0.4
    mask = kept((8, 8), block, rate, batch=n, channels=1)[:, 0]
    for dy, dx in ((0, 1), (1, 1), (block - 1, 0), (block, 0), (1, block)):
        overlap = max(0, block - dy) * max(0, block - dx)
        together = (1 - rate) ** ((2 * block**2 - overlap) / block**2)
        got = float((mask[:, 0, 0] & mask[:, dy, dx]).double().mean())
        assert abs(got - together) < 5 * math.sqrt(together * (1 - together) / n)


@pytest.mark.parametrize("block", [1, 2, 3, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_squares_by_hand_from_the_raw_generator_on(block: int, shared: bool) -> None:
    """One seed at a time, at the pair of thresholds whose product comes nearest to 1 - rate of all that there are."""
    batch, channels, (h, w), rate, seed = 4, 2, (5, 7), 0.3, 9
    drawn = 1 if shared else channels
    grid = (h + block - 1, w + block - 1)
    n = batch * drawn * grid[0] * grid[1]
    stream = np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(b"mask/maps"),)))
    bits = stream.random_raw(-(-n // 4)).view(np.int16)[:n].reshape(batch, *grid, drawn).astype(int) + 32768
    cells = block * block
    low, more = min(
        ((level, m) for level in range(40_000, 65536) for m in range(cells)),
        key=lambda c: abs((c[0] / 65536) ** (cells - c[1]) * ((c[0] + 1) / 65536) ** c[1] - (1 - rate)),
    )
    expected = np.ones((batch, channels, h, w), dtype=bool)
    for b, y, x, c in itertools.product(range(batch), range(grid[0]), range(grid[1]), range(channels)):
        level = low + ((y % block) * block + x % block < more)
        if bits[b, y, x, 0 if shared else c] >= level:  # a seed, in whose square y and x are the last row and column
            expected[b, c, max(0, y - block + 1) : y + 1, max(0, x - block + 1) : x + 1] = False
    got = kept((h, w), block, rate, batch=batch, channels=channels, shared=shared, seed=seed)
    np.testing.assert_array_equal(got.numpy(), expected)


def test_shared_squares_are_those_of_all_channels_and_others_are_not() -> None:
    apart, together = (kept((8, 8), 3, 0.5, batch=50, shared=s) for s in (False, True))
    assert bool((together == together[:, :1]).all()) and not bool((apart == apart[:, :1]).all())
    assert not bool((together == together[:1]).all())


def test_a_smaller_last_batch_and_a_mask_in_the_order_of_the_maps() -> None:
    at = Site("maps", "activation", (6, 5, 4), "CHW")
    noise = StackNoise(DropBlock(), [at], [{"maps": 0.2}, {"maps": 0.6}], [0, 1], 8, torch.device("cpu"))
    for batch in (8, 3):
        mask = noise._at["maps"][0].mask(batch, torch.float32)
        assert mask.shape == (2, batch, 6, 5, 4)
        assert mask[0].is_contiguous(memory_format=torch.channels_last)


def test_the_size_is_cut_to_the_map() -> None:
    """A block larger than the map is one of its size; a map of one row has blocks of one row."""
    assert torch.equal(kept((3, 3), 7, 0.5, batch=20), kept((3, 3), 3, 0.5, batch=20))
    assert DropBlock(block_size=3).noise_shape(Site("s", "activation", (2, 1, 6), "CHW"), 5) == (5, 2, 1, 8)


def theirs(p: float, block: int, shape: tuple[int, ...]) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out: Tensor = torchvision().ops.DropBlock2d(p, block).train()(torch.ones(shape))
    return out


def test_torchvisions_gamma_drops_less_than_the_rate() -> None:
    """Equation 1 of the paper. Its own drop fraction follows from the seeds that reach a place, which are fewer at a border."""
    rate, block, side, n = 0.5, 3, 8, 4000
    gamma = rate / block**2 * side**2 / (side - block + 1) ** 2
    reach = np.convolve(np.ones(side - block + 1), np.ones(block))  # seeds over each row: 1 2 3 3 3 3 2 1
    predicted = 1 - (1 - gamma) ** np.outer(reach, reach)
    got = (theirs(rate, block, (n, 1, side, side)) == 0).double().mean((0, 1)).numpy()
    assert np.all(np.abs(got - predicted) < 5 * np.sqrt(predicted * (1 - predicted) / n))
    assert predicted.mean() == pytest.approx(0.39, abs=0.005) and predicted[0, 0] == pytest.approx(0.1, abs=0.005)
    ours = (~kept((side, side), block, rate, batch=n, channels=1)).double().mean((0, 1)).numpy()
    assert np.all(np.abs(ours - rate) < 5 * math.sqrt(rate * (1 - rate) / n))


def test_torchvision_agrees_where_the_borders_are_far_and_gamma_is_small() -> None:
    """In the limit for which the paper derives its gamma: 1 - (1 - g)^9 is 9 g, and 38² seeds of 40² are nearly all."""
    rate, n = 0.02, 200
    fractions = [
        (theirs(rate, 3, (n, 1, 40, 40)) == 0).double().mean((1, 2, 3)),
        (~kept((40, 40), 3, rate, batch=n, channels=1)).double().mean((1, 2, 3)),
    ]
    (a, b), (va, vb) = ([float(f.mean()) for f in fractions], [float(f.var()) for f in fractions])
    assert abs(a - b) < 5 * math.sqrt((va + vb) / n) and abs(va / vb - 1) < 5 * math.sqrt(4 / n)


@pytest.mark.parametrize(("block", "side"), [(2, 8), (3, 2)])
def test_torchvision_refuses_even_sizes_and_maps_to_which_an_odd_one_is_cut(block: int, side: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        theirs(0.3, block, (2, 1, side, side))
    assert 0.2 < 1 - float(kept((side, side), block, 0.3, batch=300).double().mean()) < 0.4


def test_in_a_sequence_or_a_vector_there_is_no_square() -> None:
    for at in (Site("v", "activation", (4,), "F"), Site("s", "activation", (3, 4), "TF")):
        assert DropBlock().supports(at) == f"drops squares of feature maps, and {at.name} has no height and width"
