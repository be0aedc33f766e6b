"""What test_stacked_peers.py has a process of its own check: where JAX has started threads, later tests may fork no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import random

from benchmarks.peers import jax_, jax_nets
from benchmarks.peers.job import Job
from benchmarks.peers.nets import MaskedCell, network
from benchmarks.workloads import WORKLOADS, Net

NETS = (Net("mlp", (12, 9)), Net("cnn", (9,), (3, 5)), Net("gru", hidden=7), Net("lstm", hidden=7))
SHAPE = (2, 7, 6)
SIZE = 64


def arrays_of(net: torch.nn.Module) -> dict[str, jax.Array]:
    """The weights of a torch network under the names that they have in JAX."""
    named = {}
    cells = [m for m in net.modules() if isinstance(m, MaskedCell)]
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    names = ["head" if layer is layers[-1] else "" for layer in layers]
    if cells:
        names[:2] = ["input", "recurrent"]
    counts = {"conv": 0, "dense": 0}
    height, width = SHAPE[1:]
    flat = None if cells else SHAPE[0]
    for layer, name in zip(layers, names, strict=True):
        weight = layer.weight.detach()
        kind = "conv" if weight.dim() == 4 else "dense"
        if kind == "conv":
            height, width, flat = height // 2, width // 2, weight.shape[0]
            weight = weight.permute(0, 2, 3, 1).flatten(1)  # [O, C, 3, 3]: channels come last here
        elif flat is not None:
            weight = weight.view(-1, flat, height, width).permute(0, 2, 3, 1).flatten(1)
            flat = None
        if not name:
            name, counts[kind] = f"{kind}{counts[kind]}", counts[kind] + 1
        named |= {f"{name}.w": jnp.asarray(weight.numpy()), f"{name}.b": jnp.asarray(layer.bias.detach().numpy())}
    return named


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.kind)
def test_a_network_is_the_same_function_as_in_torch(net: Net) -> None:
    torch.manual_seed(0)
    theirs = network(net, SHAPE, 10, 0.5).eval()
    for parameter in theirs.parameters():
        parameter.data.normal_(std=0.3)  # biases too
    params = arrays_of(theirs)
    ours = jax_nets.start(net, SHAPE, 10, random.key(0))
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in params.items()}
    x = torch.randn(5, *SHAPE)
    found = jax_nets.logits(net, params, jnp.asarray(x.permute(0, 2, 3, 1).numpy()), lambda x: x)
    np.testing.assert_allclose(found, theirs(x).detach().numpy(), atol=2e-5)


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.kind)
def test_initial_weights_have_the_spread_of_torchs(net: Net) -> None:
    wide = replace(net, widths=tuple(90 for _ in net.widths), channels=tuple(40 for _ in net.channels), hidden=90)
    torch.manual_seed(0)
    theirs = arrays_of(network(wide, SHAPE, 10, 0.5)) if net.kind != "cnn" else None
    ours = jax_nets.start(wide, SHAPE, 10, random.key(0))
    for name, value in ours.items():
        if theirs is not None:
            assert float(value.std()) == pytest.approx(float(theirs[name].std()), rel=0.1, abs=1e-6), name
        elif name.endswith(".w"):
            gain = 1.0 if name == "head.w" else 2.0
            assert float(value.var()) == pytest.approx(gain / value.shape[1], rel=0.2), name


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate(rate: float) -> None:
    drop = jax_.dropped(random.key(0), jnp.float32(rate))
    first, second = drop(jnp.ones((400, 500))), drop(jnp.ones((400, 500)))
    for kept in (first, second):
        assert float((kept == 0).mean()) == pytest.approx(rate, abs=0.005)
        assert float(kept.mean()) == pytest.approx(1, abs=0.02)
    assert rate == 0 or bool((first != second).any())


def ensemble(net: Net, n: int, seeds: int) -> tuple[jax_.Ensemble, tuple[jax.Array, jax.Array], jax.Array]:
    """Runs of a network, n random examples for each seed, and keys."""
    work = replace(WORKLOADS["digits-20"], net=net, epochs=2, batch_size=SIZE)
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(seeds, n, 6, 5, 1)).astype(np.float32), draw.integers(0, 10, (seeds, n))
    return jax_.Ensemble(work, (1, 6, 5)), (jnp.asarray(x), jnp.asarray(y)), jax.vmap(random.key)(jnp.arange(seeds))


@pytest.mark.parametrize("n", [SIZE, SIZE + 1, 3 * SIZE - 5])
def test_an_epoch_has_as_many_updates_as_batches(n: int) -> None:
    made, part, keys = ensemble(Net("mlp", (8,)), n, 2)
    one = jax_nets.start(made.work.net, made.shape, 10, random.key(0))
    params = jax.tree.map(lambda v: jnp.broadcast_to(v, (2, 3, *v.shape)), one)
    moments = jax_._mapped(made.optimizer.init, (0,), (0,))(params)
    _, moments = made.epoch((params, moments), keys, jnp.array([0.0, 0.1, 0.5]), part)
    counted = np.asarray(moments[0].count)
    assert counted.shape == (2, 3)
    assert (counted == -(-n // SIZE)).all()


def test_what_fills_up_the_last_batch_weighs_nothing() -> None:
    """Trained on a batch and one example: examples of the second batch that are made up would be seen in the first layer."""
    made, _, _ = ensemble(Net("mlp", (8,)), SIZE, 1)
    params = jax_nets.start(made.work.net, made.shape, 10, random.key(0))
    x, y = random.normal(random.key(1), (4, 6, 5, 1)), jnp.arange(4)
    moments = made.optimizer.init(params)
    weights = jnp.array([1.0, 1.0, 0.0, 0.0])
    whole = made._update(params, jnp.float32(0), moments, random.key(0), x, y, weights)[0]
    alone = made._update(params, jnp.float32(0), moments, random.key(0), x[:2], y[:2], jnp.ones(2))[0]
    for name, value in whole.items():
        np.testing.assert_allclose(value, alone[name], atol=1e-6)


def test_scores_are_of_all_examples_and_without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (x, y), _ = ensemble(Net("mlp", (8,)), 50, 1)
    params = jax_nets.start(made.work.net, made.shape, 10, random.key(0))
    whole = made._score(params, x[0], y[0])
    logits = jax_nets.logits(made.work.net, params, x[0], lambda x: x)
    assert float(whole[1]) == pytest.approx(float((logits.argmax(-1) == y[0]).mean()))
    monkeypatch.setattr(jax_, "SCORED_AT_ONCE", 15)  # four pieces, of 13 examples at most
    np.testing.assert_allclose(np.asarray(made._score(params, x[0], y[0])), np.asarray(whole), rtol=1e-5)


def test_runs_that_start_alike_part_by_their_rates() -> None:
    made, part, keys = ensemble(Net("mlp", (32,)), 200, 2)
    made.work = replace(made.work, epochs=30)
    history, accuracies = jax.jit(made.train)(keys, jnp.array([0.0, 0.9]), part, part, part)
    losses = np.asarray(history[0][0])
    assert losses.shape == (30, 2, 2) and accuracies.shape == (2, 2)  # epochs, seeds, rates
    assert (losses[-1, :, 0] < losses[-1, :, 1]).all()


def test_settings_are_those_of_the_workload(tmp_path: Path) -> None:
    jax_.settle(Job(WORKLOADS["digits-20"], 0.1, 0, tmp_path, tmp_path))
    assert jax.config.jax_default_prng_impl == "unsafe_rbg"
