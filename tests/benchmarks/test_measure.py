"""The arithmetic of a comparison: order of blocks, ratios block by block, scaling, agreement of accuracies."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measure import agree, alternate, alternate_calls, ratio_row, row, scaled

positive = st.floats(0.01, 100)


@given(st.integers(1, 6), st.integers(1, 4))
def test_blocks_alternate(n: int, runners: int) -> None:
    called: list[str] = []
    names = [f"r{i}" for i in range(runners)]

    def runner(name: str) -> float:
        called.append(name)
        return len(called)

    found = alternate({name: lambda name=name: runner(name) for name in names}, n, lambda line: None)
    assert called == names * n
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(names, n)
    for i, name in enumerate(names):
        assert found[name] == [1 + i + block * runners for block in range(n)]


def test_calls_alternate_after_a_warm_up() -> None:
    called: list[str] = []
    found = alternate_calls({name: lambda name=name: called.append(name) for name in "ab"}, 3, 1e-4)
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}
    order = [name for name, _ in itertools.groupby(called)]
    assert order == list("ab" * 4)  # the warm-up, then three blocks


@given(st.lists(st.tuples(positive, positive, positive), min_size=1, max_size=9))
def test_a_ratio_is_taken_block_by_block(blocks: list[tuple[float, float, float]]) -> None:
    """So a factor that slows a whole block down changes nothing."""
    a, b = [x * slow for x, _, slow in blocks], [y * slow for _, y, slow in blocks]
    found = ratio_row("w", "a", "b", {"a": a, "b": b})
    each = [x / y for x, y, _ in blocks]
    assert (found.median, found.low, found.high) == pytest.approx((statistics.median(each), min(each), max(each)))
    assert (found.n, found.runner) == (len(blocks), "a / b")


def test_the_ratio_of_medians_is_another_number() -> None:
    found = ratio_row("w", "a", "b", {"a": [1.0, 10.0, 3.0], "b": [1.0, 20.0, 1.0]})
    assert found.median == 1.0  # of 1, 1/2 and 3; the medians are 3 and 1


def test_a_row_has_the_extremes() -> None:
    made = row("w", "r", "time", iter([3.0, 1.0, 2.0, 9.0]), "s", runs_timed="4 of 50")
    assert (made.n, made.median, made.low, made.high, made.runs_timed) == (4, 2.5, 1.0, 9.0, "4 of 50")


@given(
    st.integers(1, 3), st.integers(2, 8), st.integers(0, 40), st.floats(0.5, 20), st.floats(0.5, 5), st.floats(0.1, 3)
)
def test_scaling_finds_what_all_runs_would_take(
    processes: int, each: int, more: int, start: float, first: float, cost: float
) -> None:
    """Processes that start alike, a first run that costs more, others that cost the same: then the scaled time is exact."""
    ends = {p: [start + first + i * cost for i in range(each)] for p in range(processes)}
    missing = processes * more
    wall, whole = (start + first + (each - 1 + extra) * cost for extra in (0, more))
    seconds, marginal = scaled(wall, processes * each + missing, ends)
    assert seconds == pytest.approx(whole)
    assert marginal == pytest.approx(cost / processes)


def test_nothing_is_scaled_where_all_runs_were_timed() -> None:
    assert scaled(12.5, 4, {1: [1.0, 7.0], 2: [2.0, 8.0]})[0] == 12.5
    assert scaled(12.5, 1, {1: [1.0]})[0] == 12.5


def test_one_run_tells_nothing_of_the_next() -> None:
    with pytest.raises(ValueError, match="2 of 50 runs"):
        scaled(12.5, 50, {1: [1.0], 2: [2.0]})


def accuracies(mean: float, spread: float, seed: int) -> dict[tuple[float, int], float]:
    draw = random.Random(seed)
    return {(rate / 10, s): mean + draw.gauss(0, spread) for rate in range(10) for s in range(5)}


def test_accuracies_agree_within_noise_and_not_beyond() -> None:
    ours = accuracies(0.9, 0.02, 0)
    assert agree(ours, accuracies(0.9, 0.02, 1), 0.002)
    assert not agree(ours, accuracies(0.88, 0.02, 2), 0.002)
    assert agree(ours, ours, 0.0)


def test_only_runs_of_both_are_compared() -> None:
    ours = accuracies(0.9, 0.01, 0)
    few = {run: ours[run] for run in list(ours)[:4]}
    assert agree(ours, few, 0.0)
    assert not agree(ours, {(0.99, 9): 0.9}, 0.002)


def test_one_pair_has_no_error_of_its_own() -> None:
    assert agree({(0.5, 0): 0.95}, {(0.5, 0): 0.97}, 0.002)
    assert not agree({(0.5, 0): 0.95}, {(0.5, 0): 0.5}, 0.002)
