"""Random streams: the numbers are fixed for ever, and depend on seed and name alone."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.engine import streams
from dropbench.engine.streams import NoiseStream, RawDraws, StackedDraws

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seed", "name", "first"),
    [
        (0, "init", [0xC2AEDEB1E27DFCE7, 0x5A77EF23DC4D5AE0, 0xA5C05391D6897C25]),
        (0, "mask/hidden.0", [0xCEE3A05FB9C551E2, 0x1AC82D5CF116E77E, 0x130C95963EBD47DD]),
        (1, "init", [0xFBFB6A9A01442FCD, 0x15AF34435763D104, 0x9D3EBDCFCD3A2098]),
        (2**63 - 1, "order", [0xEFC3CC93BCD550C2, 0x8264B9BC13998A70, 0x8F956188F928F806]),
    ],
)
def test_words_are_those_of_every_release(seed: int, name: str, first: list[int]) -> None:
    assert RawDraws(seed, name)(3).tolist() == first


@given(seed=st.integers(0, 2**63 - 1), name=st.text(min_size=1, max_size=20))
def test_words_are_numpy_sfc64_spawned_by_name(seed: int, name: str) -> None:
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(name.encode()),))
    assert RawDraws(seed, name)(5).tolist() == np.random.SFC64(sequence).random_raw(5).tolist()


def test_words_continue_where_the_last_call_ended() -> None:
    one, other = RawDraws(3, "order"), RawDraws(3, "order")
    assert np.concatenate([one(2), one(0), one(5)]).tolist() == other(7).tolist()


def test_seeds_and_names_are_different_streams() -> None:
    """Seed 0 included, which `if seed:` would lose."""
    names = ["init", "order", "split", "label_noise", "augment", "mask/hidden.0", "mask/hidden.1", "mask/input"]
    raw = np.stack([RawDraws(seed, name)(64) for seed in range(8) for name in names])
    assert len(np.unique(raw)) == raw.size
    bits = np.unpackbits(raw.view(np.uint8), axis=1).astype(np.float64)
    correlations = np.corrcoef(bits)[np.triu_indices(len(bits), 1)]
    # 4096 bits a stream: a correlation has standard deviation 1/64, and the largest of 2016 is below 5 of them.
    assert np.abs(correlations).max() < 5 / 64


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_stacked_words_give_a_replica_what_it_would_get_alone(kind: str) -> None:
    seeds = [5, 0, 5, 2]
    stack = StackedDraws(seeds, "init", CPU)
    together = [getattr(stack, kind)(shape) for shape in ((3, 5), (7,), ())]
    for k, seed in enumerate(seeds):
        alone = StackedDraws([seed], "init", CPU)
        for drawn, shape in zip(together, ((3, 5), (7,), ()), strict=True):
            assert drawn.shape == (4, *shape)
            assert torch.equal(drawn[k], getattr(alone, kind)(shape)[0])


def steps(seeds: list[int], n: int, draws: str, count: int, k: int) -> torch.Tensor:
    stream = NoiseStream(seeds, "mask/a", n, draws, CPU)
    return torch.stack([stream.next()[k].clone() for _ in range(count)])


@pytest.mark.parametrize("draws", ["bits", "normal"])
@given(n=st.integers(1, 300), others=st.lists(st.integers(0, 4), max_size=5), data=st.data())
def test_noise_depends_on_neither_the_stack_nor_the_position(
    draws: str, n: int, others: list[int], data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, len(others)))
    stacked = steps([*others[:k], 3, *others[k:]], n, draws, 3, k)
    assert torch.equal(stacked, steps([3], n, draws, 3, 0))


@pytest.mark.parametrize("draws", ["bits", "normal"])
@pytest.mark.parametrize("block", [1, 1000, 10_000])
def test_noise_does_not_depend_on_the_length_of_a_block(
    monkeypatch: pytest.MonkeyPatch, draws: str, block: int
) -> None:
    reference = steps([3, 4], 101, draws, 70, 1)
    monkeypatch.setattr(streams, "_BLOCK_BYTES", block)
    assert torch.equal(steps([3, 4], 101, draws, 70, 1), reference)


@pytest.mark.parametrize("draws", ["bits", "normal"])
def test_noise_goes_on_where_it_was_when_the_stack_narrows(draws: str) -> None:
    seeds = [7, 1, 7, 4]
    whole = NoiseStream(seeds, "mask/a", 33, draws, CPU)
    reference = torch.stack([whole.next().clone() for _ in range(140)])
    stream = NoiseStream(seeds, "mask/a", 33, draws, CPU)
    kept = [0, 1, 2, 3]
    for step in range(140):
        if step == 5:  # within a block
            stream, kept = stream.narrowed(torch.tensor([0, 2, 3])), [0, 2, 3]
        if step == 64:  # between two
            stream, kept = stream.narrowed(torch.tensor([2])), [3]
        assert torch.equal(stream.next(), reference[step, kept])


def test_a_stream_may_narrow_before_its_first_step() -> None:
    first = NoiseStream([7, 1, 4], "mask/a", 33, "bits", CPU).narrowed(torch.tensor([2, 0])).next()
    assert torch.equal(first, NoiseStream([4, 7], "mask/a", 33, "bits", CPU).next())


def test_bits_are_the_words_of_the_stream() -> None:
    """Four 16-bit numbers a raw draw, whole draws a step."""
    raw = RawDraws(3, "mask/a")(6)
    stream = NoiseStream([3], "mask/a", 7, "bits", CPU)
    drawn = torch.stack([stream.next()[0].clone() for _ in range(3)])
    assert drawn.dtype == torch.int16
    assert drawn.tolist() == raw.view(np.int16).reshape(3, 8)[:, :7].tolist()


def test_normals_are_box_muller_of_the_words() -> None:
    halves = RawDraws(3, "mask/a")(50).view(np.int32).astype(np.float64)
    u, v = halves[::2] / 2**32 + 0.5, halves[1::2] / 2**32 + 0.5
    radius = np.sqrt(-2 * np.log(u))
    expected = np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)], 1).ravel()
    stream = NoiseStream([3], "mask/a", 100, "normal", CPU)
    # float32 holds u and v to 2**-25; where u is near one the radius is the root of a small number.
    assert np.abs(stream.next()[0].numpy() - expected).max() < 2e-3
    assert np.median(np.abs(stream.next()[0].numpy())) == pytest.approx(0.67, abs=0.2)


def bits_are_uniform(count: int) -> None:
    stream = NoiseStream([0], "mask/hidden.0", 2**16, "bits", CPU)
    counts = np.zeros(2**16, dtype=np.int64)
    lagged = np.zeros((16, 16), dtype=np.int64)
    for _ in range(count // 2**16):
        drawn = stream.next()[0].numpy().view(np.uint16)
        counts += np.bincount(drawn, minlength=2**16)
        top = drawn >> 12
        lagged += np.bincount(top[:-1] * 16 + top[1:], minlength=256).reshape(16, 16)
    for table in (counts, lagged):
        expected = table.sum() / table.size
        chi2 = float(((table - expected) ** 2 / expected).sum())
        # Chi-square with many degrees of freedom is normal, variance 2 df.
        assert abs(chi2 - (table.size - 1)) < 5 * np.sqrt(2 * table.size)


def normals_are_normal(count: int) -> None:
    from scipy import stats

    n = 10**6
    stream = NoiseStream([0], "mask/hidden.0", n, "normal", CPU)
    moments = np.zeros(4)
    edges = stats.norm.ppf(np.arange(1, 1000) / 1000)
    bins = np.zeros(1000, dtype=np.int64)
    for _ in range(count // n):
        drawn = stream.next()[0].numpy().astype(np.float64)
        moments += [(drawn**p).sum() for p in (1, 2, 3, 4)]
        bins += np.bincount(np.searchsorted(edges, drawn), minlength=1000)
    # E[x^p] are 0, 1, 0, 3, and their variances 1, 2, 15, 96.
    assert np.all(np.abs(moments / count - [0, 1, 0, 3]) < 5 * np.sqrt(np.array([1, 2, 15, 96]) / count))
    chi2 = float(((bins - count / 1000) ** 2 / (count / 1000)).sum())
    assert abs(chi2 - 999) < 5 * np.sqrt(2 * 999)
    assert stats.kstest(drawn, "norm").pvalue > 1e-5
    assert abs(np.corrcoef(drawn[::2], drawn[1::2])[0, 1]) < 5 / np.sqrt(n / 2)  # the two of a pair


def test_bits_are_uniform() -> None:
    bits_are_uniform(2**22)


def test_normals_are_normal() -> None:
    normals_are_normal(2 * 10**6)


def test_the_extreme_words_make_finite_normals() -> None:
    raw = np.array([0, 2**64 - 1, 1 << 31, 0x80000000_80000000, 0x7FFFFFFF_7FFFFFFF], dtype=np.uint64)
    made = streams.box_muller(torch.from_numpy(raw.view(np.int32)))
    assert bool(torch.isfinite(made).all())
    assert float(made.abs().max()) == pytest.approx((50 * math.log(2)) ** 0.5)  # of a uniform of 2**-25
