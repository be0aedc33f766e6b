"""JAX: all runs vectorized by `vmap`, all steps and epochs in one `lax.scan`, compiled once for all rates, AdamW by optax.

python -m benchmarks.peers.jax_ digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results

The runs must be a complete grid of rates and seeds. The outer `vmap` is over seeds and the inner one over rates, so that the
runs of a seed share their examples, the order of these and the uniform random numbers of their masks. The last batch of an
epoch is padded with examples of weight 0. --processes 1 leaves both processors to XLA's threads, 2 gives each process one of
them. With --cache FOLDER, compiled code is kept there for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax, random

from benchmarks.peers import arrays
from benchmarks.peers.jax_nets import Params, Size, logits, start
from benchmarks.peers.job import Job, jobs, reached, together
from benchmarks.workloads import LR, WEIGHT_DECAY, Workload

Part = tuple[Array, Array]
"""Images [S, n, H, W, C] of each seed, and their classes [S, n]."""
SCORED_AT_ONCE = 1000


def dropped(key: Array, rate: Array) -> Callable[[Array], Array]:
    """Return a function that drops elements with probability `rate`, with new random numbers at each call."""
    calls = iter(range(10**6))

    def drop(x: Array) -> Array:
        keep = random.uniform(random.fold_in(key, next(calls)), x.shape) >= rate
        return jnp.where(keep, x / (1 - rate), 0)

    return drop


class Ensemble:
    """The functions that train and score all runs.

    Parameters
    ----------
    work : Workload
        The workload to train.
    shape : tuple of int
        Channels, height and width of an image.
    """

    def __init__(self, work: Workload, shape: Size) -> None:
        self.work, self.shape = work, shape
        self.optimizer = optax.adamw(LR, weight_decay=WEIGHT_DECAY)

    def train(self, keys: Array, rates: Array, train_part: Part, val_part: Part, test_part: Part) -> tuple[Any, Array]:
        """Train the runs of rates [R] and of seeds, given by their keys [S].

        Returns
        -------
        history, accuracies
            Loss and accuracy [epochs, S, R] of the training and the validation part; test accuracies [S, R].
        """
        params = _mapped(self._start, (None, 0), (0, None))(keys, rates)
        moments = _mapped(self.optimizer.init, (0,), (0,))(params)
        score = _mapped(self._score, (0, None, None), (0, 0, 0))

        def epoch(state: Any, number: Array) -> tuple[Any, Any]:
            state = self.epoch(state, jax.vmap(partial(_key_of, number))(keys), rates, train_part)
            return state, (score(state[0], *train_part), score(state[0], *val_part))

        (params, _), history = lax.scan(epoch, (params, moments), jnp.arange(self.work.epochs))
        return history, score(params, *test_part)[1]

    def epoch(self, state: Any, keys: Array, rates: Array, part: Part) -> Any:
        """Train on every example once; `state` is the parameters and moments, `keys` [S] those of this epoch."""
        x, y = part
        n, size = x.shape[1], self.work.batch_size
        steps = -(-n // size)
        fill = steps * size - n
        order = jax.vmap(lambda key: random.permutation(key, n))(keys)
        rows = jnp.pad(order, ((0, 0), (0, fill))).reshape(-1, steps, size).swapaxes(0, 1)
        weights = jnp.pad(jnp.ones(n), (0, fill)).reshape(steps, size)
        update = _mapped(self._update, (0, 0, 0, None, None, None, None), (0, None, 0, 0, 0, 0, None))
        take = jax.vmap(lambda values, places: values[places])

        def step(state: Any, now: tuple[Array, Array, Array]) -> tuple[Any, None]:
            rows, weights, number = now
            own = jax.vmap(partial(_key_of, number))(keys)
            params, moments = update(state[0], rates, state[1], own, take(x, rows), take(y, rows), weights)
            return (params, moments), None

        return lax.scan(step, state, (rows, weights, jnp.arange(steps)))[0]

    def _start(self, key: Array, rate: Array) -> Params:
        own = random.fold_in(key, jnp.round(100 * rate).astype(jnp.int32))
        return start(self.work.net, self.shape, 10, own)

    def _update(
        self, params: Params, rate: Array, moments: Any, key: Array, x: Array, y: Array, weights: Array
    ) -> tuple[Params, Any]:
        """Take one step of one run."""

        def loss_of(params: Params) -> Array:
            found = logits(self.work.net, params, x, dropped(key, rate))
            losses = optax.softmax_cross_entropy_with_integer_labels(found, y)
            return (losses * weights).sum() / weights.sum()

        change, moments = self.optimizer.update(jax.grad(loss_of)(params), moments, params)
        return optax.apply_updates(params, change), moments

    def _score(self, params: Params, x: Array, y: Array) -> tuple[Array, Array]:
        """Return one run's mean loss in nats and accuracy, 0..1, in evaluation mode, over all examples in equal chunks."""
        n = len(x)
        pieces = -(-n // SCORED_AT_ONCE)
        fill = -n % pieces
        x = jnp.pad(x, ((0, fill), *((0, 0),) * (x.ndim - 1))).reshape(pieces, -1, *x.shape[1:])
        y = jnp.pad(y, (0, fill), constant_values=-1).reshape(pieces, -1)

        def piece(part: Part) -> tuple[Array, Array]:
            images, classes = part
            found = logits(self.work.net, params, images, lambda x: x)
            losses = optax.softmax_cross_entropy_with_integer_labels(found, jnp.maximum(classes, 0))
            return (losses * (classes >= 0)).sum(), (found.argmax(-1) == classes).sum()

        losses, right = piece((x[0], y[0])) if pieces == 1 else lax.map(piece, (x, y))
        return losses.sum() / n, right.sum() / n


def _key_of(number: Array, key: Array) -> Array:
    return random.fold_in(key, number)


def _mapped(f: Callable[..., Any], over_rates: tuple[int | None, ...], over_seeds: tuple[int | None, ...]) -> Any:
    """Vectorize a function of one run over rates (inner) and seeds (outer)."""
    return jax.vmap(jax.vmap(f, in_axes=over_rates), in_axes=over_seeds)


def settle(asked: Job) -> None:
    """Set the options that JAX needs before its first array."""
    # unsafe_rbg uses Philox: threefry takes two seconds longer to compile and is slower.
    jax.config.update("jax_default_prng_impl", "unsafe_rbg")
    if asked.cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(asked.cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def train(asked: Job, rates: Sequence[float], seeds: Sequence[int]) -> None:
    """Train the runs of some rates and seeds."""
    settle(asked)
    parts = [(np.moveaxis(x, 2, -1).copy(), y) for x, y in arrays.parts(asked.work.data, asked.splits, seeds)]
    height, width, channels = parts[0][0].shape[2:]
    ensemble = Ensemble(asked.work, (channels, height, width))
    keys = jax.vmap(random.key)(jnp.array(seeds))
    _, accuracies = jax.jit(ensemble.train)(keys, jnp.array(rates, jnp.float32), *parts)
    reached(asked, rates, seeds, np.asarray(accuracies).tolist())


def main() -> None:
    """Train the runs."""
    together(train, jobs())


if __name__ == "__main__":
    main()
