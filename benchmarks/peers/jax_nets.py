"""The networks of the workloads as JAX functions, with initial weights like those of `nets.py`.

A network is a dict of arrays. Images have their channels last, which XLA prefers on CPUs. A convolution gathers the nine
neighbours of each position and multiplies them by the weights. XLA's own convolution becomes a grouped convolution under
`vmap`, for which XLA has no fast code on CPUs (seconds per step instead of milliseconds; benchmarks/LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax, nn, random

from benchmarks.workloads import Net

Params = dict[str, Array]
"""Weights [outputs, inputs] and biases [outputs] of one network, by name."""
Drop = Callable[[Array], Array]
"""A function that drops elements of an array of any shape; the identity in evaluation."""
Size = tuple[int, int, int]
"""Channels, height and width of an image."""


def start(net: Net, shape: Size, classes: int, key: Array) -> Params:
    """Return the initial weights of one network."""
    channels, height, width = shape
    if net.kind in ("gru", "lstm"):
        return _start_recurrent(net, channels * width, classes, key)
    params: Params = {}
    inputs = channels
    for i, outputs in enumerate(net.channels):
        params |= _dense(f"conv{i}", random.fold_in(key, 100 + i), 9 * inputs, outputs, 2.0)
        inputs, height, width = outputs, height // 2, width // 2
    features = inputs * height * width
    for i, outputs in enumerate(net.widths):
        params |= _dense(f"dense{i}", random.fold_in(key, i), features, outputs, 2.0)
        features = outputs
    return params | _dense("head", random.fold_in(key, 99), features, classes, 1.0)


def logits(net: Net, params: Params, x: Array, drop: Drop) -> Array:
    """Map images x [B, H, W, C] to logits [B, classes]."""
    if net.kind in ("gru", "lstm"):
        rows = x.swapaxes(2, 3).reshape(*x.shape[:2], -1)  # in torch's order, channel by channel
        return _linear(params, "head", _last_state(net, params, rows, drop))
    for i in range(len(net.channels)):
        x = drop(_pool(nn.relu(_linear(params, f"conv{i}", _neighbours(x)))))
    x = x.reshape(len(x), -1)
    for i in range(len(net.widths)):
        x = drop(nn.relu(_linear(params, f"dense{i}", x)))
    return _linear(params, "head", x)


def _dense(name: str, key: Array, inputs: int, outputs: int, gain: float) -> Params:
    """Return weights, uniform with variance gain / inputs, and biases of zero."""
    bound = (3 * gain / inputs) ** 0.5
    weights = random.uniform(key, (outputs, inputs), minval=-bound, maxval=bound)
    return {f"{name}.w": weights, f"{name}.b": jnp.zeros(outputs)}


def _linear(params: Params, name: str, x: Array) -> Array:
    return x @ params[f"{name}.w"].T + params[f"{name}.b"]


def _neighbours(x: Array) -> Array:
    """Map x [B, H, W, C] to the 3 × 3 neighbours of each position, [B, H, W, 9C], with zeros beyond the edge."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], -1)


def _pool(x: Array) -> Array:
    """Return the maximum of each 2 × 2 positions; a last odd row or column is left out, as in torch."""
    batch, height, width, channels = x.shape
    cut = x[:, : height // 2 * 2, : width // 2 * 2]
    return cut.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def _start_recurrent(net: Net, inputs: int, classes: int, key: Array) -> Params:
    gates = {"gru": 3, "lstm": 4}[net.kind]
    into, inner, head = random.split(key, 3)
    params = _dense("input", into, inputs, gates * net.hidden, 1.0)
    if net.kind == "lstm":
        params["input.b"] = params["input.b"].at[net.hidden : 2 * net.hidden].set(1.0)
    orthogonal = nn.initializers.orthogonal()
    blocks = [orthogonal(k, (net.hidden, net.hidden), jnp.float32) for k in random.split(inner, gates)]
    recurrent = {"recurrent.w": jnp.concatenate(blocks), "recurrent.b": jnp.zeros(gates * net.hidden)}
    return params | recurrent | _dense("head", head, net.hidden, classes, 1.0)


def _last_state(net: Net, params: Params, x: Array, drop: Drop) -> Array:
    """Map x [B, T, I] to the last state, [B, H], with one mask per sequence on the state that the weights multiply."""
    projected = _linear(params, "input", x)
    state = jnp.zeros((len(x), net.hidden))
    mask = drop(jnp.ones_like(state))

    def lstm(carry: tuple[Array, Array], gates: Array) -> tuple[tuple[Array, Array], None]:
        state, memory = carry
        i, f, g, o = jnp.split(gates + _linear(params, "recurrent", state * mask), 4, 1)
        memory = nn.sigmoid(f) * memory + nn.sigmoid(i) * jnp.tanh(g)
        return (nn.sigmoid(o) * jnp.tanh(memory), memory), None

    def gru(carry: tuple[Array, Array], gates: Array) -> tuple[tuple[Array, Array], None]:
        state, unused = carry
        (xr, xz, xn), (hr, hz, hn) = (
            jnp.split(side, 3, 1) for side in (gates, _linear(params, "recurrent", state * mask))
        )
        update = nn.sigmoid(xz + hz)
        new = jnp.tanh(xn + nn.sigmoid(xr + hr) * hn)
        return (new + update * (state - new), unused), None

    cell = {"lstm": lstm, "gru": gru}[net.kind]
    (state, _), _ = lax.scan(cell, (state, state), projected.swapaxes(0, 1))
    return state
