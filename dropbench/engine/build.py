"""Builds a cohort that is ready to train: model, noise, batches, metrics and regularizers, as the plan describes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from hydra.utils import get_object
from torch import Tensor

from dropbench.data.base import Table
from dropbench.engine import stack, vmap_check
from dropbench.engine.batches import Batches, batches_for
from dropbench.engine.learned import LearnedRates
from dropbench.engine.noise import StackNoise
from dropbench.engine.probe import is_probe
from dropbench.engine.regularization import Regularization
from dropbench.engine.replicas import Replicas
from dropbench.engine.result import USUAL, Keep
from dropbench.engine.site_noise import Acting
from dropbench.engine.streams import StackedDraws
from dropbench.engine.train import Training
from dropbench.planning.outline import Outline
from dropbench.planning.variants import places, variant
from dropbench.spec import DropoutSpec, RunSpec

_EVAL_BYTES = 4 * 2**20
_FOR_A_START = 4096
"""The largest number of examples that a model's `start_from` gets."""


def build(
    specs: Sequence[RunSpec],
    outline: Outline,
    table: Table,
    device: torch.device,
    foreign: Mapping[str, Tensor] | None = None,
    keep: Keep = USUAL,
) -> Training:
    """Returns the training of runs that train as one stacked model; a single run is a stack of one.

    The runs may differ only in seed, rates, placement, learning rate, weight decay and strengths of regularizers. An arm
    without dropout may join any others, at rate 0. All other arms must have the same variants (several variants also at the
    same sites), or only variants that multiply by a mask, which may then differ: see `execute.cohorts`.

    Parameters
    ----------
    specs : Sequence[RunSpec]
        The runs, in any order.
    outline : Outline
        The plan's description of their model on this table.
    table : Table
        Their data.
    device : torch.device
        The device they train on.
    foreign : Mapping[str, Tensor], optional
        Examples of other data sets that metrics compare the table's examples with: see `planning.sources.others`.
    keep : Keep
        What is kept of each run besides its numbers.

    Raises
    ------
    ValueError
        If there are several runs of a model that does not stack.
    """
    # The sort makes runs with the same optimizer settings neighbours, which one kernel call updates, and runs with the same
    # variants neighbours, whose masks are written at once.
    ordered = tuple(sorted(specs, key=lambda s: (s.train.lr, s.train.weight_decay, _kinds(s), s.seed, s.run_id)))
    first = ordered[0]
    train, seeds = first.train, [s.seed for s in ordered]
    batches = batches_for(
        table, first.data, outline.view, train.batch_size, train.augment, seeds, device, train.class_weights
    )
    model = stack.build(first.model, outline, seeds, device, train, table.graph)
    if callable(start_from := getattr(model, "start_from", None)):
        start_from(_some(batches), StackedDraws(seeds, "start", device))
    parameters = sum(p[0].numel() for p in model.parameters())
    of_runs = {s.run_id: places(s.variants, outline.sites) for s in ordered}
    rates = {run: {p.label: p.rate for p in found} for run, found in of_runs.items()}
    variants = {_kind(v): variant(v) for s in ordered for v in s.variants}
    sites = {s.name: s for s in outline.sites}
    noise = StackNoise.of_arms(
        [
            [
                Acting(variants[kind], kind, sites[p.site], p.rate, p.stream, p.label, p.slot)
                for p in of_runs[s.run_id]
                if p.rate > 0 and (kind := _kind(s.variants[p.slot]))
            ]
            for s in ordered
        ],
        list(variants.values()),
        outline.sites,
        seeds,
        outline.noise_batch(train.batch_size),
        device,
    )
    if learned := noise.learned():
        model = LearnedRates(model, learned).to(device)
    measurements: dict[str, Any] = {
        name: partial(get_object(m.target), **m.options) for name, m in first.metric.items()
    }
    replicas = Replicas(
        specs=ordered,
        model=model,
        noise=noise,
        batches=batches,
        outline=outline,
        device=device,
        metrics={name: m for name, m in measurements.items() if not is_probe(m)},
        probes={name: m for name, m in measurements.items() if is_probe(m)},
        foreign=foreign or {},
        # A graph network computes all nodes, however few of them are asked for.
        chunk=len(table.y) if table.graph is not None else _chunk(outline),
    )
    notes = (
        [] if outline.stacked and not outline.own_noise else [vmap_check.note(first.model, outline, train, str(device))]
    )
    regularization = Regularization(ordered, model, noise, outline, table)
    return Training(replicas, regularization, rates, table.fingerprint, parameters, notes, keep)


def _some(batches: Batches) -> Tensor:
    """Returns training examples of each replica, [K, n, ...]: evenly spaced ones, at most `_FOR_A_START`."""
    n = batches.part_sizes()["train"]
    (whole,) = batches.part("train", n)
    return whole.x[:, :: math.ceil(n / _FOR_A_START)]


def _kinds(spec: RunSpec) -> list[str]:
    return [_kind(v) for v in spec.variants]


def _kind(dropout: DropoutSpec) -> str:
    """Returns a key of what a variant does apart from its rates: its class and options."""
    return json.dumps([dropout.target, dropout.options], sort_keys=True)


def _chunk(outline: Outline) -> int:
    """Returns how many examples are evaluated at once. It follows from the size of one replica and not from K."""
    sites = (math.prod(s.shape) for s in outline.usual if s.kind in ("activation", "feedforward"))
    widest = max(outline.held, *sites, 1)
    return max(128, min(1024, _EVAL_BYTES // (4 * widest)))
