"""The regularizers of an arm: made from its spec, in the order in which they act, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dropbench.config.parts import locate
from dropbench.planning.variants import arm_rates
from dropbench.regularizers.base import ALONE, SLOTS, Given, Regularizer
from dropbench.spec import RegularizerSpec, RunSpec, TrainSpec

if TYPE_CHECKING:
    from dropbench.data.base import Table
    from dropbench.planning.outline import Outline


def in_order(specs: Iterable[RegularizerSpec]) -> list[tuple[RegularizerSpec, Regularizer]]:
    """Returns the regularizers in the order in which they act: by slot, and by name within one."""
    made: list[tuple[RegularizerSpec, Regularizer]] = [(s, locate(s.target)(**s.options)) for s in specs]
    return sorted(made, key=lambda pair: (SLOTS.index(pair[1].slot), pair[0].name))


def given(outline: Outline, table: Table, train: TrainSpec | None = None) -> Given:
    """Returns what regularizers are told about a model, its data and its training."""
    channels, height, width = table.shape if table.axes == "CHW" else (0, 0, 0)
    image = (channels, height, width) if channels else None
    return Given(
        task=outline.task,
        view=outline.view,
        shape=tuple(outline.shape),
        image=image,
        columns=_columns(table) if outline.view == "flat" else (),
        batch_norm=outline.batch_norm,
        own_noise=bool(outline.own_noise),
        sites={
            s.name: dict(zip(s.axes, s.shape, strict=True)).get("T", 1)
            for s in outline.usual
            if s.kind == "activation" and s.name != "input"
        },
        whole=None if outline.parts else _whole(outline),
        cycles=None if train is None else train.restarts,
    )


def _columns(table: Table) -> tuple[int, ...]:
    """Returns the column index of each input of a table; empty for other data."""
    if table.prepared is not None:
        return table.prepared.columns.of_inputs
    return tuple(range(table.shape[0])) if table.axes == "F" else ()


def _whole(outline: Outline) -> tuple[str, ...]:
    """Returns the activation sites outside residual branches. Those inside have the branch's name, or one below it."""
    branches = tuple(f"{s.name.removesuffix('.branch')}." for s in outline.sites if s.kind == "branch")
    inside = (s.name for s in outline.usual if s.kind == "activation" and s.name != "input")
    return tuple(name for name in inside if not f"{name}.".startswith(branches))


def cannot(spec: RunSpec, outline: Outline, table: Table) -> str | None:
    """Returns why this arm cannot have its regularizers, or None."""
    told = given(outline, table, spec.train)
    parts = in_order(spec.regularizers)
    for one, part in parts:
        if reason := part.supports(told):
            return f"regularizer={one.name} {reason}"
        if part.passes and told.own_noise:
            return (
                f"regularizer={one.name} passes each batch through the model more than once with the same dropout masks, but "
                f"model={spec.model.name} draws random numbers of its own ({outline.own_noise[0]}), which would differ each "
                "time; use noise(site, x) instead"
            )
    for slot in ALONE:
        names = [one.name for one, part in parts if part.slot == slot]
        if len(names) > 1:
            return f"regularizer=[{','.join(names)}]: {_PURPOSE[slot]}; choose one of {' and '.join(names)}"
    return None


def ensembles(spec: RunSpec) -> bool:
    """Returns whether the tested model of this arm may be an ensemble of several networks."""
    return any(type(part).ensemble is not Regularizer.ensemble for _, part in in_order(spec.regularizers))


def one_descent(spec: RunSpec) -> Iterator[str]:
    """Yields a warning if snapshots are taken from a learning rate without restarts."""
    if spec.train.restarts is None and ensembles(spec):
        yield (
            "regularizer=snapshot_ensemble takes its snapshots without a restart of the learning rate between them, because "
            f"train.schedule={spec.train.schedule} has none; the paper uses train.schedule=cosine_restarts"
        )


def idle(spec: RunSpec, outline: Outline) -> list[str]:
    """Returns a sentence for each regularizer that has no effect in this arm."""
    if any(rate for one in spec.variants for rate in arm_rates(one, outline.sites).values()):
        return []
    return [
        f"regularizer={one.name} passes each batch again with other dropout masks: in an arm without dropout all passes are "
        "the same, so it only makes training slower"
        for one, part in in_order(spec.regularizers)
        if part.fresh_masks
    ]


_PURPOSE = {
    "mixing": "each mixes examples and their targets, and no paper defines what mixing them twice means",
    "pass": "each decides at which weights the gradient is taken",
    "average": "each decides which weights are evaluated",
}
