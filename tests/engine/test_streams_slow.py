"""The bits and normals of the streams, tested by the hundred million, at fixed seeds, and that bad generators fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dropbench.data.raw_draws import bit_generator
from dropbench.dropout.base import LEVELS, kept_levels, one_where_kept
from dropbench.engine import streams
from dropbench.engine.streams import NoiseStream

CPU = torch.device("cpu")
SEEDS = (0, 1, 2, 2**63 - 1)
NAMES = ("mask/hidden.0", "mask/hidden.1")
N = 2**18
"""Draws of one step of a stream; eight streams are drawn side by side."""
RATES = (2**-16, 0.1, 0.5, 0.9)
LAGS = (1, 2, 3, 4, 5)

Draws = NDArray[np.uint16]


class Tally:
    """What is counted of 16-bit draws, and by how many standard errors it is off.

    A chi-square of many cells is close to normal, with variance 2 df; it is bounded below too, since numbers that fill cells
    too evenly are not random either.
    """

    def __init__(self) -> None:
        self.lanes = np.zeros((4, LEVELS), dtype=np.int64)
        """Of values, by the place in their 64-bit word."""
        self.pairs = {(lag, shift): np.zeros(LEVELS, dtype=np.int64) for lag in (1, 4) for shift in (8, 0)}
        """Of a byte and the same byte some draws later: the upper (8) and the lower (0)."""
        self.changes = np.zeros(LEVELS, dtype=np.int64)
        """Of the bits in which a draw and the next one differ."""
        self.lagged = dict.fromkeys(LAGS, 0.0)
        self.lagged_n = dict.fromkeys(LAGS, 0)
        self.between = np.zeros((0, 0))
        self.equal = np.zeros((0, 0), dtype=np.int64)
        self.kept = dict.fromkeys(RATES, 0)
        self.n = 0

    def add(self, rows: Draws) -> None:
        """A step of several streams, [streams, N]."""
        self.n += rows.size
        for lane in range(4):
            self.lanes[lane] += np.bincount(rows[:, lane::4].ravel(), minlength=LEVELS)
        for (lag, shift), table in self.pairs.items():
            byte = (rows >> shift) & 255
            table += np.bincount((byte[:, :-lag] * 256 + byte[:, lag:]).ravel(), minlength=LEVELS)
        self.changes += np.bincount((rows[:, :-1] ^ rows[:, 1:]).ravel(), minlength=LEVELS)
        x = (rows.astype(np.float64) - (LEVELS - 1) / 2) / math.sqrt((LEVELS**2 - 1) / 12)
        for lag in LAGS:
            self.lagged[lag] += float(np.vdot(x[:, :-lag], x[:, lag:]))
            self.lagged_n[lag] += x[:, lag:].size
        self.between = x @ x.T + (self.between if self.between.size else 0)
        equal = np.array([[np.count_nonzero(a == b) for a in rows] for b in rows])
        self.equal = equal + (self.equal if self.equal.size else 0)
        bits = torch.from_numpy(rows.view(np.int16))
        for rate in RATES:
            self.kept[rate] += int(
                one_where_kept(bits, kept_levels(torch.tensor([[rate]])), torch.float32).sum(1).sum()
            )

    def off(self) -> dict[str, float]:
        """Every check, in standard errors."""
        values = self.lanes.sum(0)
        found = {"values": _chi_square(values)} | {f"lane {i}": _chi_square(t) for i, t in enumerate(self.lanes)}
        found |= {f"byte {s // 8} lag {lag}": _chi_square(t) for (lag, s), t in self.pairs.items()}
        found["changes"] = _chi_square(self.changes)
        has_bit = (np.arange(LEVELS)[:, None] >> np.arange(16)) & 1
        for name, table in (("balance", values), ("runs", self.changes)):
            # Runs of one bit: where it changes, half of the time.
            ones, n = table @ has_bit, table.sum()
            found |= {f"{name} of bit {b}": (o - n / 2) / math.sqrt(n / 4) for b, o in enumerate(ones)}
        found |= {f"lag {lag}": s / math.sqrt(self.lagged_n[lag]) for lag, s in self.lagged.items()}
        each = self.n / len(self.between)
        for i, j in zip(*np.triu_indices(len(self.between), 1), strict=True):
            found[f"streams {i}, {j}"] = self.between[i, j] / math.sqrt(each)
            found[f"equal in {i}, {j}"] = (self.equal[i, j] - each / LEVELS) / math.sqrt(each / LEVELS)
        for rate, kept in self.kept.items():
            keep = round((1 - rate) * LEVELS) / LEVELS
            found[f"rate {rate:g}"] = (kept - self.n * keep) / math.sqrt(self.n * keep * (1 - keep))
        return found


def _chi_square(counts: NDArray[np.int64]) -> float:
    expected = counts.sum() / counts.size
    df = counts.size - 1
    return (float(((counts - expected) ** 2).sum() / expected) - df) / math.sqrt(2 * df)


def drawn(kind: str, count: int) -> Iterator[NDArray[np.generic]]:
    """Steps [streams, N] of eight streams, every seed of every name, at least `count` numbers in all."""
    sources = [NoiseStream(SEEDS, name, N, kind, CPU) for name in NAMES]
    for _ in range(math.ceil(count / (N * len(SEEDS) * len(NAMES)))):
        yield torch.cat([s.next() for s in sources]).numpy()


def tallied(count: int) -> dict[str, float]:
    tally = Tally()
    for rows in drawn("bits", count):
        tally.add(rows.view(np.uint16))
    return tally.off()


@pytest.mark.slow
def test_a_hundred_million_bits() -> None:
    off = tallied(10**8)
    assert len(off) > 100
    # A hundred checks within five standard errors: by chance one in twenty thousand such tests fails.
    assert not {name: z for name, z in off.items() if abs(z) > 5}


class Bad:
    """A generator that is saved as one is and never gone back to."""

    state: ClassVar = np.random.SFC64(0).state


class Congruential(Bad):
    """Knuth's MMIX generator, whose low bits have short periods: the lowest 16 run through all values in turn."""

    def __init__(self, seed: int, name: str) -> None:
        self._state = np.uint64(seed % 2**32 * 2 + len(name) + sum(name.encode()))

    def random_raw(self, n: int) -> NDArray[np.uint64]:
        a, c = 6364136223846793005, 1442695040888963407
        out, size = np.empty(n, dtype=np.uint64), 1
        out[0] = (int(self._state) * a + c) % 2**64
        while size < n:  # a jump of `size` steps is a step of another such generator
            more = min(size, n - size)
            out[size : size + more] = out[:more] * np.uint64(a) + np.uint64(c)
            a, c, size = a * a % 2**64, (a * c + c) % 2**64, size + more
        self._state = out[-1]
        return out


class Reused(Bad):
    """Every word twice."""

    def __init__(self, seed: int, name: str) -> None:
        self._raw = bit_generator(seed, name)

    def random_raw(self, n: int) -> NDArray[np.uint64]:
        return self._raw.random_raw((n + 1) // 2).repeat(2)[:n]


class Nameless(Bad):
    """The same numbers under all names."""

    def __init__(self, seed: int, name: str) -> None:
        self.random_raw = bit_generator(seed, "").random_raw


class Skewed(Bad):
    """The largest draw is never made, and the next largest twice as often: one value in 65,536."""

    def __init__(self, seed: int, name: str) -> None:
        self._raw = bit_generator(seed, name)

    def random_raw(self, n: int) -> NDArray[np.uint64]:
        words = self._raw.random_raw(n)
        draws = words.view(np.int16)
        draws[draws == 2**15 - 1] -= 1
        return words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "caught"),
    [
        (Congruential, {"values", "lane 0", "byte 0 lag 4"}),
        (Reused, {"byte 1 lag 4", "lag 4"}),
        (Nameless, {"streams 0, 4", "equal in 3, 7"}),
        (Skewed, {"rate 1.52588e-05"}),
    ],
)
def test_bad_generators_are_caught(
    monkeypatch: pytest.MonkeyPatch, bad: Callable[[int, str], object], caught: set[str]
) -> None:
    monkeypatch.setattr(streams, "bit_generator", bad)
    assert caught <= {name for name, z in tallied(2**24).items() if abs(z) > 5}


@pytest.mark.slow
def test_fifty_million_normals() -> None:
    from scipy import stats

    count, beyond = 0, {3.0: 0, 4.0: 0, 5.0: 0, -3.0: 0, -4.0: 0, -5.0: 0}
    powers, together = np.zeros(4), np.zeros(3)
    between = np.zeros((8, 8))
    sample = []
    for rows in drawn("normal", 5 * 10**7):
        x = rows.astype(np.float64)
        square = x * x
        count += x.size
        powers += [x.sum(), square.sum(), np.vdot(x, square), np.vdot(square, square)]
        first, second = x[:, ::2], x[:, 1::2]  # the two of a pair share a radius
        together += [
            np.vdot(first, second),
            np.vdot(square[:, ::2] - 1, square[:, 1::2] - 1),
            np.vdot(second[:, :-1], first[:, 1:]),
        ]
        between += x @ x.T
        for limit in beyond:
            beyond[limit] += int(np.count_nonzero(x > limit if limit > 0 else x < limit))
        sample.append(x[:, :1000].ravel())
    # E[x^p] are 0, 1, 0, 3 and their variances 1, 2, 15, 96; of a product of two 1, of two centred squares 4.
    off = {
        f"moment {p}": z
        for p, z in enumerate((powers / count - [0, 1, 0, 3]) / np.sqrt(np.array([1, 2, 15, 96]) / count), 1)
    }
    off |= {f"pairs {i}": z for i, z in enumerate(together / np.sqrt(np.array([1, 4, 1]) * count / 2))}
    off |= {
        f"streams {i}, {j}": between[i, j] / math.sqrt(count / 8) for i, j in zip(*np.triu_indices(8, 1), strict=True)
    }
    for limit, found in beyond.items():
        expected = count * stats.norm.sf(abs(limit))
        off[f"beyond {limit:g}"] = (found - expected) / math.sqrt(expected)
    assert not {name: z for name, z in off.items() if abs(z) > 5}
    assert stats.kstest(np.concatenate(sample), "norm").pvalue > 1e-6
