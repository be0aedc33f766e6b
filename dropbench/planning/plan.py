"""Overrides and studies to an ordered list of runs, checked as a whole before any of it trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dropbench import identity
from dropbench.config import grammar as grammar
from dropbench.config.compose import Composed, Composer, locate
from dropbench.config.options import options
from dropbench.errors import UsageError
from dropbench.planning.outline import NoView, Outline, check, load, others, outline, takes, warnings
from dropbench.spec import CONSTANT, RunSpec, Settings
from dropbench.values import flatten, written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from dropbench.data.base import Table


@dataclass(frozen=True)
class Plan:
    """Runs in order, the arms that they belong to, and what was left out and why."""

    study: str | None
    question: str | None
    baseline: str
    specs: tuple[RunSpec, ...]
    arms: dict[str, list[str]]
    """Run ids by the arm's name; only a study names its arms."""
    settings: Settings
    overrides: tuple[str, ...]
    outlines: dict[str, Outline] = field(repr=False)
    """By run id."""
    skipped: tuple[str, ...] = ()
    merged: int = 0
    warnings: tuple[str, ...] = ()
    """What may not be what it seems in some of the arms, each told once."""

    @property
    def plan_id(self) -> str:
        return identity.plan_id(self.study, (s.run_id for s in self.specs))


def single(words: Sequence[str], composer: Composer) -> Plan:
    """The plan of one run. Raises UsageError for a sweep or a study, which have several."""
    compose_one(words, composer)
    return make(words, composer)


def compose_one(words: Sequence[str], composer: Composer) -> Composed:
    """The config of one run, without looking at data or model."""
    parsed = _parsed(words)
    for override in parsed:
        if grammar.swept(override) or override.get_key_element() == "study":
            again = " ".join(map(grammar.quoted, words))
            raise UsageError(f"{override.input_line}: that is more than one run; type: dropbench sweep {again}")
    return composer.compose(grammar.expand(parsed, composer.options)[0])


def make(words: Sequence[str], composer: Composer) -> Plan:
    """Expands, composes, merges runs that coincide, and checks all of them.

    A pair that cannot be, of a variant and a model or of a model and data, is an error with all its like in one message;
    where a glob asked for whatever there is, it is skipped instead, with the reason.
    """
    points = grammar.expand(_parsed(words), composer.options)
    runs: list[tuple[str | None, Composed]] = []
    reasons: list[str] = []
    for point in points:
        try:
            runs.extend(_arms(point, composer))
        except _Coincide as error:
            reasons.append(str(error))
    by_glob = any("glob(" in w for w in words)
    if reasons and not (by_glob and runs):
        raise UsageError("\n".join(dict.fromkeys(reasons)))
    first = runs[0][1]
    _one_place([c.settings for _, c in runs])
    names = dict.fromkeys(point["study"].partition("=")[2] for point in points if "study" in point)
    if len(names) > 1:
        raise UsageError(f"study={','.join(names)}: one study at a time, since each has a baseline of its own")
    specs, arms = _distinct([(name, _bound(c.spec, first.settings)) for name, c in runs])
    merged = len(runs) - len(specs)
    specs, outlines, skipped = _checked(specs, first.settings, by_glob, composer)
    study = first.study
    arms_once = {s.arm_id: s for s in specs}.values()
    return Plan(
        study=next(iter(names)) if study else None,
        question=study.question if study else None,
        baseline=study.baseline if study else "none",
        specs=tuple(specs),
        arms={name: [i for i in ids if i in outlines] for name, ids in arms.items()},
        settings=first.settings,
        overrides=tuple(words),
        outlines=outlines,
        skipped=tuple(dict.fromkeys((*reasons, *skipped))),
        merged=merged,
        warnings=tuple(dict.fromkeys(w for s in arms_once for w in warnings(s.dropout, outlines[s.run_id].sites))),
    )


def differing(specs: Sequence[RunSpec]) -> dict[str, list[str]]:
    """The settings that tell these runs apart beside seed, names, rates and placement, by arm id; the schedule is one."""
    told, schedule = ("seed", "dropout.rate", "dropout.rates", "dropout.placement"), "dropout.schedule.name"
    leaves = {s.arm_id: flatten(s.as_dict(), whole=()) for s in specs}
    values: dict[str, set[str]] = {}
    for tree in leaves.values():
        for key, value in tree.items():
            if key == schedule or not (key.startswith(told) or key.endswith((".name", "._target_", ".version"))):
                values.setdefault(key, set()).add(written(value))
    several = [key for key, found in values.items() if len(found) > 1]
    return {
        arm: [
            f"{k.partition('.')[2].removesuffix('.name')}={written(tree[k])}"
            for k in several
            if k in tree and (k, tree[k]) != (schedule, CONSTANT.name)  # the absence of one
        ]
        for arm, tree in leaves.items()
    }


def _one_place(settings: Sequence[Settings]) -> None:
    """Where runs are carried out is not part of them, so a grid over it would train each of them once, somewhere."""
    first = settings[0].model_dump(mode="json")
    for other in (s for s in settings if s != settings[0]):
        for key, value in other.model_dump(mode="json").items():
            if value != first[key]:
                lists = ", or a list of several: [csv,tensorboard]" if key == "train_loggers" else ""
                raise UsageError(f"'{key.replace('_', '.')}' holds for a whole sweep: give it one value{lists}")


def _parsed(words: Sequence[str]) -> list[Override]:
    parsed = grammar.parse(words)
    repeated = [k for k, n in Counter(o.get_key_element() for o in parsed).items() if n > 1]
    if repeated:
        raise UsageError(f"'{repeated[0]}' is given more than once; write several values as {repeated[0]}=a,b")
    return parsed


class _Coincide(UsageError):
    """Two arms of a study are the same run."""


def _arms(point: Mapping[str, str], composer: Composer) -> list[tuple[str | None, Composed]]:
    """One point of the grid: itself, or each arm of its study under each seed."""
    composed = composer.compose(point)
    if composed.study is None:
        return [(None, composed)]
    study = point["study"]
    seeds: Sequence[Mapping[str, str]] = [{}]
    if "seed" not in point:
        seeds = grammar.expand(grammar.parse([f"seed={composed.study.seed}"]), composer.options)
    runs: list[tuple[str | None, Composed]] = []
    by_id: dict[str, str] = {}
    for name, setting in composed.study.arms.items():
        arm = {key: f"{key}={written(value)}" for key, value in setting.items()}
        # An arm that chooses an option of a group starts that group afresh: `dropout: none` has no use for a rate.
        chosen = tuple(f"{key.replace('/', '.')}." for key in arm if "." not in key)
        base = {k: text for k, text in point.items() if k not in arm and not k.replace("/", ".").startswith(chosen)}
        try:
            made = [composer.compose({**base, **arm, **seed}) for seed in seeds]
        except UsageError as error:
            raise UsageError(f"{study}, arm {name}: {error}") from error
        runs.extend((name, c) for c in made)
        if (other := by_id.setdefault(made[0].spec.arm_id, name)) != name:
            keys = dict.fromkeys(key for arm in composed.study.arms.values() for key in arm)
            raise _Coincide(
                f"{study}: its arms {other} and {name} are the same run with dropout={made[0].spec.dropout.name} "
                f"dropout.rate={made[0].spec.dropout.rate:g}; give another value to one of {', '.join(keys)}"
            )
    return runs


def _bound(spec: RunSpec, settings: Settings) -> RunSpec:
    """With the fingerprint of its data, without which it has no id; where they cannot be loaded, `_checked` says why."""
    with suppress(UsageError):
        return spec.model_copy(update={"data_fingerprint": load(spec.data, settings).fingerprint})
    return spec


def _distinct(runs: Sequence[tuple[str | None, RunSpec]]) -> tuple[list[RunSpec], dict[str, list[str]]]:
    specs: dict[str, RunSpec] = {}
    arms: dict[str, list[str]] = {}
    for name, spec in runs:
        specs.setdefault(spec.run_id, spec)
        if name is not None and spec.run_id not in arms.setdefault(name, []):
            arms[name].append(spec.run_id)
    return list(specs.values()), arms


def _checked(
    specs: Sequence[RunSpec], settings: Settings, skip: bool, composer: Composer
) -> tuple[list[RunSpec], dict[str, Outline], list[str]]:
    """Every spec against its data and model. Each distinct reason is told once, with what would work."""
    by_arm: dict[str, Outline | None] = {}
    models: dict[str, tuple[Table, Outline] | str] = {}
    reasons: dict[str, None] = {}
    for spec in specs:
        if spec.arm_id in by_arm:  # what can be does not depend on the seed
            continue
        by_arm[spec.arm_id] = None
        key = f"{spec.model.model_dump_json()} {spec.data.target} {spec.data.options}"
        if key not in models:
            models[key] = _outline(spec, settings, composer)
        found = models[key]
        if isinstance(found, str):
            reasons[found] = None
        elif (reason := _no_schedule(spec) or check(spec, *found) or _no_others(spec, found[0], settings)) is None:
            by_arm[spec.arm_id] = found[1]
        else:
            reasons[reason + (_what_fits(found[1], composer) if " has no site in " in reason else "")] = None
    outlines = {s.run_id: o for s in specs if (o := by_arm[s.arm_id]) is not None}
    if reasons and not (skip and outlines):
        raise UsageError("\n".join(reasons))
    return [s for s in specs if s.run_id in outlines], outlines, list(reasons)


def _no_schedule(spec: RunSpec) -> str | None:
    """Why this arm cannot have its schedule, or None."""
    name = spec.dropout.schedule.name
    if name == CONSTANT.name or not getattr(locate(spec.dropout.target), "learned", False):
        return None
    return (
        f"dropout={spec.dropout.name} learns its rate, so dropout/schedule={name} has nothing to set; "
        "leave the schedule out, or choose a variant whose rate is given"
    )


def _no_others(spec: RunSpec, table: Table, settings: Settings) -> str | None:
    """Why this arm cannot be set against the data that its metrics name, or None."""
    try:
        others(spec, table, settings)
    except UsageError as error:
        return str(error)
    return None


def _outline(spec: RunSpec, settings: Settings, composer: Composer) -> tuple[Table, Outline] | str:
    """The data and the model on it, or why they cannot be: the data is not here, or the model takes no such data."""
    try:
        table = load(spec.data, settings)
        return table, outline(spec.model, table)
    except NoView as error:
        models = _fitting("model", lambda made: takes(made, table), composer)
        return f"{error}: {', '.join(models) or 'there is none'}"
    except UsageError as error:
        return str(error)


def _what_fits(found: Outline, composer: Composer) -> str:
    """The variants that have a site in this model."""
    variants = _fitting("dropout", lambda v: any(v().supports(s) is None for s in found.sites), composer)
    return f"; sites: {', '.join(s.name for s in found.sites)}; variants that fit: {', '.join(variants) or 'none'}"


def _fitting(group: str, fits: Callable[[Any], bool], composer: Composer) -> list[str]:
    """The options of a group whose class fits."""
    from omegaconf import OmegaConf

    found = []
    for name, file in options(group, composer.extra).items():
        node: Any = OmegaConf.load(file)
        # A user's own may have options without a default, or a fault: it is not proposed.
        with suppress(TypeError, KeyError, AttributeError, UsageError):
            if fits(locate(node["_target_"])):
                found.append(name)
    return found
