"""Every regularizer of conf/regularizer with its default options, and specs of runs with some of them."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from dropbench.config.options import options
from dropbench.config.parts import checked_options
from dropbench.spec import Component, RegularizerSpec, RunSpec


def _of(name: str, file: object) -> RegularizerSpec:
    node: Any = OmegaConf.to_container(OmegaConf.load(str(file)))
    assert isinstance(node, dict)
    node = node[name]
    fixed = {*RegularizerSpec.model_fields, "_target_", "schedule"}
    given = {k: v for k, v in node.items() if k not in fixed}
    of = {k: v for k, v in node.items() if k in ("name", "_target_", "version", "strength", "none_at")}
    return RegularizerSpec(**of, options=checked_options("regularizer", node["_target_"], given))


REGULARIZERS = {name: _of(name, file) for name, file in options("regularizer").items()}


def of(name: str, strength: float | None = None, schedule: str | None = None, **given: Any) -> RegularizerSpec:
    """Return a regularizer at its default strength or another, with further options and a schedule if given."""
    spec = REGULARIZERS[name]
    strong = {} if strength is None else {spec.strength: strength}
    update: dict[str, Any] = {"options": {**spec.options, **given, **strong}}
    if schedule is not None:
        update["schedule"] = Component(name=schedule, target=f"dropbench.dropout.schedule.{schedule}")
    return spec.model_copy(update=update)


def off(name: str) -> RegularizerSpec:
    """Return a regularizer at the strength at which it has no effect, which a configuration would leave out."""
    return of(name, REGULARIZERS[name].none_at)


def with_regularizers(run: RunSpec, *specs: RegularizerSpec, **update: Any) -> RunSpec:
    """Return the same run with these regularizers."""
    return run.model_copy(update={"regularizers": specs, **update})
