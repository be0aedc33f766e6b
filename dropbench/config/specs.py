"""Converts the plain tree that Hydra composed to the checked, frozen description of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropbench.config.messages import invalid
from dropbench.config.networks import network, network_path, reach_working_folder
from dropbench.config.options import options
from dropbench.config.parts import checked_options, locate, part_of
from dropbench.config.regularizers import schedule_of
from dropbench.config.several import nodes
from dropbench.config.source_hash import Part, with_source
from dropbench.config.study_spec import StudySpec
from dropbench.config.tasks import fitting_metrics, tasks_of
from dropbench.errors import UsageError
from dropbench.identity import BESIDE, HOST, OWN
from dropbench.settings import OF_TRAIN, Settings
from dropbench.spec import CONSTANT, NONE, Component, DataSpec, DropoutSpec, MetricSpec, RegularizerSpec, RunSpec
from dropbench.values import written


def spec_of(tree: Mapping[str, Any], extra: Sequence[Path] = ()) -> RunSpec:
    """Returns the run that a configuration describes, checked, with default options and in a canonical form.

    Configurations with the same meaning give equal specs. extra: the user's folders of options; parts from there get the hash
    of their source. Raises UsageError for an invalid value, and for parts that do not fit together.
    """
    from pydantic import ValidationError

    tasks = tasks_of(tree["metric"])
    of_variants = nodes(tree["dropout"])
    try:
        spec = RunSpec.model_validate(
            {
                "model": _component(tree["model"], ()),
                "dropout": [_component(node, tuple(DropoutSpec.model_fields)) for node in of_variants.values()],
                "data": _component(tree["data"], (*DataSpec.model_fields, "root", "download")),
                "train": {key: value for key, value in tree["train"].items() if key not in OF_TRAIN},
                "eval": {key: value for key, value in tree["eval"].items() if key != "keep"},
                "metric": {name: metric_of(node) for name, node in tree["metric"].items()},
                BESIDE: [_regularizer(name, node, extra) for name, node in tree[BESIDE].items()],
                "seed": tree["seed"],
            }
        )
    except ValidationError as error:
        raise invalid("", error, variants=list(of_variants)) from error
    # All parts are checked before any of them is used or called.
    for group, part in _parts(spec):
        part_of(group, part.target)
    spec = spec.model_copy(update={"model": with_network(spec.model)})
    fitting = fitting_metrics(spec, tasks, extra)
    variants = [_canonical(variant, key) for variant, key in zip(spec.variants, of_variants, strict=True)]
    metrics = {name: with_source("metric", m, extra) for name, m in fitting.items()}
    update: dict[str, Any] = {
        "model": _one_form(_with_checked_options("model", with_source("model", spec.model, extra))),
        "data": _with_checked_options("data", with_source("data", spec.data, extra)),
        "variants": tuple(_with_sources(variant, extra) for variant in _acting(variants)),
        "metric": {name: _with_checked_options(f"metric.{name}", m) for name, m in metrics.items()},
        "regularizers": _acting_beside(spec.regularizers, extra),
    }
    return spec.model_copy(update=update)


def with_network(model: Component) -> Component:
    """Returns a model that takes a user's network with the network's import path in one form.

    Other models are returned unchanged. Raises UsageError if the import path does not name a network.
    """
    if model.target != HOST or not (target := model.options.get("target")):  # planning reports a missing target
        return model
    reach_working_folder()
    path = network_path(target)
    network(path)
    return model.model_copy(update={"options": {**model.options, "target": path}})


def _parts(spec: RunSpec) -> Iterator[tuple[str, Component]]:
    yield "model", spec.model
    yield "data", spec.data
    for variant in spec.variants:
        yield "dropout", variant
        yield "dropout/schedule", variant.schedule
    for regularizer in spec.regularizers:
        yield BESIDE, regularizer
        yield "dropout/schedule", regularizer.schedule
    for metric in spec.metric.values():
        yield "metric", metric


def metric_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a metric from its node in a configuration."""
    return _component({k: v for k, v in node.items() if k != "needs"}, tuple(MetricSpec.model_fields))


def stored_metric(name: str, node: Mapping[str, Any], extra: Sequence[Path]) -> MetricSpec | None:
    """Returns a metric as its option defines it now, with a stored run's settings; None if the option does not exist any more.

    node: the metric's node in the run's configuration. extra: the user's folders of options. The import path in a record is
    not trusted.
    """
    if (own := _metric_node(name, extra)) is None:
        return None
    kept = {key: value for key, value in node.items() if key not in ("name", "_target_", "version")}
    metric = MetricSpec.model_validate(metric_of({**own, **kept}))
    part_of("metric", metric.target)
    return _with_checked_options(f"metric.{name}", with_source("metric", metric, extra))


def with_monitored(tree: Mapping[str, Any], extra: Sequence[Path]) -> dict[str, Any]:
    """Returns the metrics of a composed tree, and the one that training monitors if none was asked for by name."""
    metrics = dict(tree["metric"])
    name = str(tree["train"].get("monitor")).removeprefix("val_")
    node = None if name in metrics else _metric_node(name, extra)
    return metrics if node is None else {**metrics, name: node}


def _metric_node(name: str, extra: Sequence[Path]) -> dict[str, Any] | None:
    """Returns the node of a metric's option; None if there is no such option."""
    from omegaconf import OmegaConf

    if (file := options("metric", extra).get(name)) is None:
        return None
    tree: Any = OmegaConf.to_container(OmegaConf.load(file))
    return tree[name] if isinstance(tree, Mapping) and isinstance(tree.get(name), dict) else None


def _with_checked_options(group: str, part: Part) -> Part:
    return part.model_copy(update={"options": checked_options(group, part.target, part.options)})


def _one_form(part: Part) -> Part:
    """Returns a part with its options in a canonical form if it is dropbench's own and its class defines `one_form`."""
    form = getattr(locate(part.target), "one_form", None) if part.target.startswith(OWN) else None
    return part if form is None else part.model_copy(update={"options": form(part.options)})


def _acting(variants: Sequence[DropoutSpec]) -> Sequence[DropoutSpec]:
    """Returns the variants that drop something or, if none does, the first variant."""
    return [v for v in variants if not v.silent] or variants[:1]


def _with_sources(variant: DropoutSpec, extra: Sequence[Path]) -> DropoutSpec:
    schedule = with_source("dropout/schedule", variant.schedule, extra)
    return with_source("dropout", variant, extra).model_copy(update={"schedule": schedule})


def _canonical(dropout: DropoutSpec, key: str) -> DropoutSpec:
    """Returns a variant in a canonical form, so that equal arms have equal specs.

    A variant that acts nowhere loses rates, placement and schedule, even if a grid sets them; a variant whose rates are all 0
    becomes `NONE`.

    key: the key under which the variant's keys are typed.
    """
    update: dict[str, Any] = {"options": checked_options(key, dropout.target, dropout.options)}
    schedule = dropout.schedule.model_copy(update={"options": _schedule_options(dropout.schedule, key)})
    if not locate(dropout.target).kinds:
        update |= {"rate": 0.0, "rates": {}, "placement": None, "schedule": CONSTANT}
    elif dropout.silent:
        return NONE
    return _one_form(dropout.model_copy(update={"schedule": schedule, **update}))


def _regularizer(name: str, node: Mapping[str, Any], extra: Sequence[Path]) -> dict[str, Any]:
    schedule = schedule_of(node.get("schedule"), f"{BESIDE}.{name}.schedule", extra)
    return _component({**node, "schedule": schedule}, tuple(RegularizerSpec.model_fields))


def _acting_beside(regularizers: Sequence[RegularizerSpec], extra: Sequence[Path]) -> tuple[RegularizerSpec, ...]:
    """Returns the regularizers that do anything, with checked options, sorted by name, whatever the order of typing."""
    checked = []
    for one in regularizers:
        part = _with_checked_options(f"{BESIDE}.{one.name}", with_source(BESIDE, one, extra))
        if part.strength not in part.options:
            raise UsageError(
                f"{BESIDE}.{one.name}.strength={part.strength} is not one of its options; set strength in "
                f"{BESIDE}/{one.name}.yaml to {' or '.join(part.options) or 'an option that you add'}"
            )
        schedule = part.schedule.model_copy(
            update={"options": _schedule_options(part.schedule, f"{BESIDE}.{one.name}")}
        )
        checked.append(part.model_copy(update={"schedule": with_source("dropout/schedule", schedule, extra)}))
    return tuple(sorted((r for r in checked if not r.silent), key=lambda r: r.name))


def _schedule_options(schedule: Component, of: str = "dropout") -> dict[str, Any]:
    """Returns a schedule's checked options; calls it at a few points, because only then do options that clash raise errors."""
    checked = checked_options(f"{of}.schedule", schedule.target, schedule.options)
    for point in (0.0, 0.25, 0.5, 0.75, 1.0):
        try:
            factor = round(float(locate(schedule.target)(point, **checked)), 9)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise UsageError(f"dropout/schedule={schedule.name} fails at progress {point:g}: {error}") from error
        if not 0 <= factor <= 1:  # also true for NaN
            raise UsageError(
                f"dropout/schedule={schedule.name} returns {factor:g} at progress {point:g}; it must return 0 to 1"
            )
    return checked


def _component(node: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Returns a group's node with everything that is not a field moved to `options`."""
    fixed = {"name", "_target_", "version", *fields} - {"options", "target", "source"}
    known = {k: v for k, v in node.items() if k in fixed and k not in ("root", "download")}
    if "schedule" in known:
        known["schedule"] = _component(known["schedule"], ())
    return known | {"options": {k: v for k, v in node.items() if k not in fixed}}


def study_of(node: Mapping[str, Any] | None) -> StudySpec | None:
    """Returns the study that a configuration chooses, or None. Raises UsageError if it is invalid."""
    from pydantic import ValidationError

    if node is None:
        return None
    try:
        study = StudySpec.model_validate(node)
    except ValidationError as error:
        raise invalid("study", error) from error
    if len(study.arms) + (math.prod(map(len, study.grid.values())) if study.grid else 0) < 2:
        raise UsageError(
            f"study.arms={written(study.arms)}: a study compares two arms or more; name them under arms, or give a key several "
            "values under grid"
        )
    return study


def settings_of(tree: Mapping[str, Any]) -> Settings:
    """Returns the settings for carrying out a configuration. Raises UsageError for an invalid value."""
    from pydantic import ValidationError

    data = tree["data"]
    try:
        return Settings.model_validate(
            {key: tree[key] for key in ("device", "results", "execute")}
            | {f"data.{key}": data[key] for key in ("root", "download") if key in data}
            | {f"train.{key}": tree["train"][key] for key in OF_TRAIN if key in tree["train"]}
            | {"eval.keep": tree["eval"].get("keep", "auto")}
        )
    except ValidationError as error:
        raise invalid("", error) from error
