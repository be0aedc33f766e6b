"""The peers do the same work: the networks have dropbench's parameters, the grids its runs, the formulas its operations."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import roofline, runners
from benchmarks.language import LanguageModel
from benchmarks.peers.nets import MaskedCell, network
from benchmarks.specs import spec
from benchmarks.workloads import WORKLOADS, Net, Workload, quick
from dropbench.data.base import Table
from dropbench.planning.outline import outline
from dropbench.planning.variants import arm_rates

SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28)}
PEERS = sorted({name for work in WORKLOADS.values() for name in work.timed if not name.startswith("dropbench")})


def empty(work: Workload) -> Table:
    """A table like the workload's, without its files."""
    return Table(work.data, torch.zeros(10, *SHAPES[work.data]), torch.arange(10), "CHW", 10)


@pytest.mark.parametrize("work", WORKLOADS.values(), ids=lambda w: w.name)
def test_the_network_is_dropbenchs(work: Workload) -> None:
    planned = outline(spec(work.overrides()).model, empty(work))
    theirs = network(work.net, SHAPES[work.data], 10, 0.5)
    assert sum(p.numel() for p in theirs.parameters()) == planned.parameters
    assert theirs(torch.randn(3, *SHAPES[work.data])).shape == (3, 10)


@pytest.mark.parametrize("work", WORKLOADS.values(), ids=lambda w: w.name)
def test_noise_is_in_as_many_places(work: Workload) -> None:
    made = spec([*work.overrides(), "dropout.rate=0.5"])
    ours = arm_rates(made.dropout, outline(made.model, empty(work)).sites)
    theirs = network(work.net, SHAPES[work.data], 10, 0.5)
    assert len(ours) == sum(isinstance(m, nn.Dropout) for m in theirs.modules())


def test_the_language_model_is_dropbenchs() -> None:
    words = torch.zeros(100, 1, dtype=torch.int64)
    rows = torch.arange(100)
    text = Table("ptb", words, words[:, 0], "W", 10_000, test=rows[60:], val=rows[30:60], vocabulary=10_000, window=20)
    planned = outline(spec(["data=ptb", "model=lm", "model.hidden=200", "model.layers=2"]).model, text)
    assert sum(p.numel() for p in LanguageModel().parameters()) == planned.parameters


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_loop_over_time_is_torchs_layer_where_nothing_is_dropped(cell: str) -> None:
    torch.manual_seed(0)
    loop = MaskedCell(cell, 5, 7, 0.9).eval()
    layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 7, batch_first=True)
    with torch.no_grad():
        for name, ours in (("ih", loop.input), ("hh", loop.recurrent)):
            getattr(layer, f"weight_{name}_l0").copy_(ours.weight)
            getattr(layer, f"bias_{name}_l0").copy_(ours.bias)
    x = torch.randn(3, 11, 5)
    torch.testing.assert_close(loop(x), layer(x)[0])


@pytest.mark.parametrize("work", WORKLOADS.values(), ids=lambda w: w.name)
def test_runs_in_their_order_are_the_whole_grid(work: Workload) -> None:
    every = work.runs()
    assert sorted(every) == sorted((rate, seed) for rate in work.rates for seed in work.seeds)
    first = every[: len(work.seeds)]
    assert {seed for _, seed in first} == set(work.seeds)
    assert len({rate for rate, _ in first}) == min(len(work.seeds), len(work.rates))


@pytest.mark.parametrize("n", [1, 2, 4, 8, 20, 50, 99])
def test_a_part_of_a_grid_is_a_grid(n: int) -> None:
    work = WORKLOADS["digits-20"]
    rates, seeds = work.product(n)
    assert len(set(rates)) == len(rates) and set(rates) <= set(work.rates) and set(seeds) <= set(work.seeds)
    assert len(rates) * len(seeds) == min(n, 50) or (n == 99 and len(rates) * len(seeds) == 50)


@pytest.mark.parametrize("work", WORKLOADS.values(), ids=lambda w: w.name)
def test_a_quick_workload_is_one_that_can_be_scaled(work: Workload) -> None:
    small = quick(work)
    assert set(small.timed) == set(work.timed)
    assert len(small.runs()) <= 10


def test_operations_are_those_that_torch_counts() -> None:
    """By torch's own counter, of a forward and a backward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    for net, shape in ((Net("mlp", (12, 9)), (1, 4, 4)), (Net("cnn", (9,), (3, 5)), (2, 8, 8))):
        built = network(net, shape, 10, 0.5)
        with FlopCounterMode(display=False) as counted:
            built(torch.randn(6, *shape)).sum().backward()
        assert roofline.operations(net, shape, 10) * 6 == counted.get_total_flops()


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_a_script(name: str) -> None:
    if lacking := runners.missing(name):
        pytest.skip(f"{lacking} is not installed")
    assert importlib.util.find_spec(f"benchmarks.peers.{runners._MODULES[name]}")


def test_the_plain_loop_learns(tmp_path: Path) -> None:
    from benchmarks.end_to_end import write_splits
    from benchmarks.peers.job import Job
    from benchmarks.peers.plain import train

    work = quick(WORKLOADS["digits-20"])
    splits = tmp_path / "splits.npz"
    write_splits(work, splits)
    with np.load(splits) as parts:
        rows = np.concatenate([parts[f"{part}_0"] for part in ("train", "val", "test")])
    assert sorted(rows) == list(range(1797))
    assert train(Job(work, 0.2, 0, splits, tmp_path)) > 0.5
    assert len(list(tmp_path.glob("0.2-0.json"))) == 1


def test_threads_and_kernels_are_left_to_each_program(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "AUTO"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert not told.keys() & runners.environment().keys()
    assert runners.environment()["PATH"] == os.environ["PATH"]
