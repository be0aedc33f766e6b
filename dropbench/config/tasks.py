"""Checks what must fit the task of a run's model: its metrics, the metric that training monitors, and class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from dropbench.config.kinds import takes_network
from dropbench.config.options import called, options
from dropbench.config.parts import locate
from dropbench.errors import UsageError, nearest
from dropbench.spec import MetricSpec, RunSpec, Task


def tasks_of(metrics: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the tasks that each metric is for; an empty list means all. Raises UsageError for an unknown task."""
    known = get_args(Task)
    tasks = {name: list(node.get("tasks") or ()) for name, node in metrics.items()}
    for name, named in tasks.items():
        if unknown := [task for task in named if task not in known]:
            raise UsageError(f"metric.{name}.tasks: there is no task '{unknown[0]}'; {nearest(unknown[0], known)}")
    return tasks


def fitting_metrics(spec: RunSpec, tasks: Mapping[str, Sequence[str]], extra: Sequence[Path]) -> dict[str, MetricSpec]:
    """Returns the metrics that may fit the task of the model.

    Whether a model predicts classes or numbers is known only when the data are, so metrics of either task are kept until then.

    Parameters
    ----------
    spec : RunSpec
        The run.
    tasks : mapping
        The tasks that each of its metrics is for: see `tasks_of`.
    extra : sequence of Path
        The user's folders of options.

    Raises
    ------
    UsageError
        If the metric that training monitors is not measured, does not fit, is measured only at the end, or does not declare
        which of two values is better; and for class weights if the model does not predict classes.
    """
    task = getattr(locate(spec.model.target), "task", "classify")
    possible = {"classify", "regress"} if task == "classify" else {task}
    fitting = {name: m for name, m in spec.metric.items() if not tasks[name] or possible & set(tasks[name])}
    _check_monitored(spec, fitting, task, extra)
    if spec.train.class_weights is not None and task != "classify":
        raise UsageError(
            f"train.class_weights={spec.train.class_weights} weighs the classes of examples, but model={spec.model.name} is "
            f"trained to {task.replace('_', ' ')}, without classes; leave it out: train.class_weights=null"
        )
    return fitting


def _check_monitored(spec: RunSpec, fitting: Mapping[str, MetricSpec], task: str, extra: Sequence[Path]) -> None:
    name = spec.train.monitored
    told = f"train.monitor={spec.train.monitor}"
    if name not in spec.metric:
        if name not in options("metric", extra):
            meant = " or ".join(f"train.monitor={m}" for m in _choices(called("metric", name, extra)))
            near = f"here it is called {meant}" if meant else nearest(f"val_{name}", _choices(spec.metric))
            raise UsageError(f"{told}: there is no metric {name}; {near}")
        raise UsageError(f"{told} is not measured; add it: metric=[{','.join([name, *spec.metric])}]")
    others = [m for m in fitting if _can_be_monitored(fitting[m], task) is None]
    instead = " or ".join(f"train.monitor={m}" for m in _choices(others)) or "a metric that fits it"
    if name not in fitting:
        raise UsageError(f"{told}: {name} does not fit model={spec.model.name}, whose task is {task}; choose {instead}")
    if (why := _can_be_monitored(fitting[name], task)) is not None:
        raise UsageError(f"{told}: {name} {why}; choose {instead}")


def _can_be_monitored(metric: MetricSpec, task: str) -> str | None:
    """Returns why training cannot monitor a metric, or None if it can."""
    if takes_network(locate(metric.target)):
        return "is only measured once, after training"
    if metric.of_task.get(task, metric).direction == "neither":
        return f"does not say whether higher or lower is better; add direction: higher or lower to metric/{metric.name}.yaml"
    return None


def _choices(metrics: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return [f"val_{name}" for name in metrics]
