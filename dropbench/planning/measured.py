"""Finds metrics that were asked for and measure nothing on this model and data, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dropbench.config.specs import stored_metric
from dropbench.planning.outline import Outline
from dropbench.spec import MetricSpec, RunSpec

OF_NUMBERS = ("rmse", "r2")
"""Default metrics of a predicted number, since the loss is in the square of its unit and accuracy does not apply."""
_LOOKED_UP = {"tokens": "words", "text": "words", "graph": "nodes"}
"""What the inputs of a view are if they are not numbers."""
_LOOKS_AT = {
    "batch_norm": "it needs batch norm, and the model has none (mlp has it with model.batch_norm=before_activation)",
    "attention": "it needs attention weights, and the model has none (model=transformer has them)",
    "edges": "it removes edges of a graph, and the data are not a graph (model=gcn takes one)",
}
"""What a metric examines, by the need that its YAML states."""


def measures_nothing(spec: RunSpec, outline: Outline, needs: Mapping[str, str]) -> Iterator[str]:
    """Yields a sentence for each metric of a run that has nothing to measure.

    Parameters
    ----------
    spec : RunSpec
        The run.
    outline : Outline
        Its model on its data.
    needs : mapping
        By metric, the need that its YAML states: `numbers` (inputs that are numbers), `units` (sites behind hidden layers),
        `batch_norm`, `attention` or `edges`.
    """
    there = {
        "batch_norm": outline.batch_norm,
        "attention": any(s.kind == "attention" for s in outline.sites),
        "edges": any(s.kind == "edge" for s in outline.sites),
    }
    for name in spec.metric:
        need = needs.get(name)
        if need == "numbers" and outline.view in _LOOKED_UP:
            kind = _LOOKED_UP[outline.view]
            yield (
                f"metric={name} measures nothing on data={spec.data.name}: it changes the numbers of an example, but these "
                f"examples are {kind}; leave it out"
            )
        if need is not None and not there.get(need, True):
            yield f"metric={name} measures nothing on model={spec.model.name}: {_LOOKS_AT[need]}; leave it out"
        if need == "units" and not outline.units:
            yield (
                f"metric={name} measures nothing on model={spec.model.name}: it looks at the units after hidden layers, and "
                "the model declares no site there; leave it out"
            )


def of_task(spec: RunSpec, task: str) -> dict[str, MetricSpec]:
    """Returns the metrics that apply to a model trained for this task."""
    return {name: m for name, m in spec.metric.items() if not m.tasks or task in m.tasks}


def unasked(task: str, extra: Sequence[Path]) -> dict[str, MetricSpec]:
    """Returns the default metrics of a task in addition to those in `conf/config.yaml`, for when no metric was asked for."""
    found = {name: stored_metric(name, {}, extra) for name in (OF_NUMBERS if task == "regress" else ())}
    return {name: metric for name, metric in found.items() if metric is not None}


def unmonitored(spec: RunSpec, task: str) -> str | None:
    """Returns why training cannot monitor the metric that it should, or None."""
    name, fitting = spec.train.monitor.removeprefix("val_"), of_task(spec, task)
    if name in fitting:
        return None
    others = " or ".join(f"train.monitor=val_{n}" for n in fitting) or "a metric that fits it"
    kind = "numbers" if task == "regress" else "classes"
    return (
        f"train.monitor={spec.train.monitor}: data={spec.data.name} has {kind} to predict, to which {name} does not apply; "
        f"choose {others}"
    )


def not_taken(spec: RunSpec, asked: Iterable[str]) -> Iterator[str]:
    """Yields a sentence for each metric that was asked for by name and does not apply to the model's task on its data."""
    for name in asked:
        if name not in spec.metric:
            does_not = f"metric={name} does not apply to what model={spec.model.name} is trained for"
            yield f"{does_not}, so it is not measured; leave it out"
