"""The peers that train all runs at once: updates, dropout at each run's rate, none in evaluation, dropbench's accuracy."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import runners
from benchmarks.end_to_end import write_splits
from benchmarks.peers import arrays, torch_func
from benchmarks.peers.job import Job, grid, halves
from benchmarks.peers.nets import network
from benchmarks.peers.setup import parts
from benchmarks.workloads import WORKLOADS, Net

WORK = replace(WORKLOADS["digits-20"], epochs=8, rates=(0.2, 0.6), seeds=(0, 1))
NETS = (Net("mlp", (12, 12)), Net("cnn", (9,), (3, 5)), Net("gru", hidden=7), Net("lstm", hidden=7))
STACKED = sorted({name for work in WORKLOADS.values() for name in work.timed if name.startswith(runners.TOGETHER)})


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("splits") / "splits.npz"
    write_splits(WORK, file)
    return file


@pytest.fixture(scope="module")
def ours(splits: Path) -> dict[tuple[float, int], float]:
    return runners.run(WORK, "dropbench", splits).accuracies


@pytest.mark.parametrize("peer", STACKED)
def test_a_peer_reaches_what_dropbench_does(peer: str, splits: Path, ours: dict[tuple[float, int], float]) -> None:
    if lacking := runners.missing(peer):
        pytest.skip(f"{lacking} is not installed")
    found = runners.run(WORK, peer, splits)
    assert found.accuracies.keys() == ours.keys()
    assert np.isnan(found.marginal)
    assert statistics.fmean(found.accuracies.values()) == pytest.approx(statistics.fmean(ours.values()), abs=0.03)
    assert (splits.parent / "compiled").is_dir() or peer != runners.CACHED


def test_jax_does_the_same_work() -> None:
    if lacking := runners.missing("jax"):
        pytest.skip(f"{lacking} is not installed")
    checks = Path(__file__).parent / "jax_checks.py"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", str(checks)]
    told = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=told)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_arrays_are_the_examples_of_the_other_peers(splits: Path) -> None:
    for number, seed in enumerate(WORK.seeds):
        job = Job(WORK, 0.2, seed, splits, splits.parent)
        for (x, y), (theirs, classes) in zip(arrays.parts("digits", splits, WORK.seeds), parts(job), strict=True):
            torch.testing.assert_close(torch.from_numpy(x[number]), theirs)
            assert y[number].tolist() == classes.tolist()


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.kind)
def test_a_stack_scores_as_its_networks_do_alone(net: Net) -> None:
    base, params, buffers = torch_func.stacked(net, (1, 8, 8), (0.3, 0.7), (0, 1, 2))
    base.eval()
    x, y = torch.randn(3, 5, 1, 8, 8), torch.randint(0, 10, (3, 5))
    logits = torch_func.over_runs(lambda p, b, x, y: torch.func.functional_call(base, (p, b), (x,)))(
        params, buffers, x, y
    )
    for seed in range(3):
        for place, rate in enumerate((0.3, 0.7)):
            torch.manual_seed(1000 * seed + round(100 * rate))
            alone = network(net, (1, 8, 8), 10, rate).eval()
            torch.testing.assert_close(logits[seed, place], alone(x[seed]))


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.kind)
def test_every_dropout_of_a_stack_has_the_rate_of_its_run(net: Net) -> None:
    base, _, buffers = torch_func.stacked(net, (1, 8, 8), (0.3, 0.7), (0, 1, 2))
    assert len(buffers) == sum(isinstance(m, nn.Dropout) for m in network(net, (1, 8, 8), 10, 0.5).modules())
    assert not any(isinstance(m, nn.Dropout) for m in base.modules())
    for rates in buffers.values():
        torch.testing.assert_close(rates, torch.tensor([[0.3, 0.7]] * 3))


def test_the_share_that_is_dropped_is_the_rate_and_draws_are_a_seeds() -> None:
    drop = torch_func.Dropout(0.5)
    mapped = torch_func.over_runs(lambda p, b, x, y: torch.func.functional_call(drop, b, (x,)))
    rates = torch.tensor([[0.1, 0.5, 0.9]] * 2)
    kept = mapped({"": rates}, {"rate": rates}, torch.ones(2, 300, 400), torch.ones(2))
    shares = (kept == 0).float().mean((2, 3))
    torch.testing.assert_close(shares, rates, atol=0.01, rtol=0)
    torch.testing.assert_close(kept.mean((2, 3)), torch.ones(2, 3), atol=0.05, rtol=0)
    dropped = kept == 0
    assert not (dropped[:, 0] & ~dropped[:, 1]).any() and not (dropped[:, 1] & ~dropped[:, 2]).any()
    assert (dropped[0] != dropped[1]).any()
    drop.eval()
    assert drop(torch.ones(9)).tolist() == [1.0] * 9


def test_updates_and_scores_of_torch_func(splits: Path) -> None:
    made = torch_func.Ensemble(Job(WORK, 0.2, 0, splits, splits.parent), WORK.rates, WORK.seeds)
    made.epoch()
    with np.load(splits) as rows:
        assert made.updates == -(-len(rows["train_0"]) // WORK.batch_size)
    first, second = made.score(made.val_part), made.score(made.val_part)
    assert first[1].shape == (2, 2)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert first[1].min() > 0.3


def test_a_packed_ensemble_trains_its_members_as_they_would_alone(splits: Path) -> None:
    tabm_ = pytest.importorskip("benchmarks.peers.tabm_", reason="tabm is not installed")
    torch.manual_seed(0)
    net = Net("mlp", (16, 16))
    model = tabm_.ensemble(net, 9, 0.0, 3)
    alone = network(net, (1, 3, 3), 10, 0.0)
    linear = [m for m in alone.modules() if isinstance(m, nn.Linear)]
    packed = [m for m in model.modules() if isinstance(m, tabm_.LinearEnsemble)]
    for theirs, layer in zip(packed, linear, strict=True):
        layer.weight.data, layer.bias.data = theirs.weight.data[1].T.clone(), theirs.bias.data[1].clone()
    x, y = torch.randn(8, 3, 9), torch.randint(0, 10, (8, 3))
    assert (
        tabm_.epoch(model, (x, y), torch.optim.SGD(model.parameters(), lr=0.5), 8) == 1
    )  # one batch: no order to speak of
    nn.functional.cross_entropy(alone(x[:, 1].view(8, 1, 3, 3)), y[:, 1]).backward()
    for theirs, layer in zip(packed, linear, strict=True):
        torch.testing.assert_close(theirs.weight[1], (layer.weight - 0.5 * layer.weight.grad).T)


def test_a_packed_ensemble_has_updates_rates_and_scores() -> None:
    tabm_ = pytest.importorskip("benchmarks.peers.tabm_", reason="tabm is not installed")
    model = tabm_.ensemble(Net("mlp", (16, 16)), 9, 0.7, 3)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.7, 0.7]
    part = torch.randn(130, 3, 9), torch.randint(0, 10, (130, 3))
    assert tabm_.epoch(model, part, torch.optim.AdamW(model.parameters()), 64) == 3
    with pytest.warns(UserWarning, match="When training=False"):
        first = tabm_.score(model, part)
    with pytest.warns(UserWarning, match="When training=False"):
        second = tabm_.score(model, part)
    assert torch.equal(first[0], second[0]) and first[1].shape == (3,)
    with pytest.raises(ValueError, match="layers have one width"):
        tabm_.ensemble(Net("mlp", (16, 8)), 9, 0.7, 3)


def test_two_processes_share_the_grid() -> None:
    for rates, seeds in (
        ((0.1, 0.2, 0.3, 0.5), (0, 1, 2)),
        ((0.1, 0.2, 0.3), (0, 1, 2, 3)),
        ((0.1,), (0,)),
        ((0.1,), (0, 1)),
    ):
        shared = [(rate, seed) for part in halves(rates, seeds) for rate in part[0] for seed in part[1]]
        assert sorted(shared) == sorted((rate, seed) for rate in rates for seed in seeds)
        assert len(shared) == 1 or len(halves(rates, seeds)) == 2


def test_runs_that_are_no_grid_are_refused(tmp_path: Path) -> None:
    asked = [Job(WORK, rate, seed, tmp_path, tmp_path) for rate, seed in ((0.1, 0), (0.2, 0), (0.1, 1))]
    with pytest.raises(ValueError, match="3 runs are not each of 2 rates with each of 2 seeds"):
        grid(asked)
    assert grid([*asked, Job(WORK, 0.2, 1, tmp_path, tmp_path)]) == ([0.1, 0.2], [0, 1])
