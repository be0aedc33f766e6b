"""Overrides and studies to an ordered list of runs, checked as a whole before any of it trains."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dropbench import overrides as grammar
from dropbench.config import Composed, Composer, locate, options
from dropbench.errors import UsageError
from dropbench.outline import Outline, check, load, outline
from dropbench.spec import RunSpec, Settings

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

    @property
    def plan_id(self) -> str:
        ids = ",".join(sorted(s.run_id for s in self.specs))
        return hashlib.sha256(f"{self.study}:{ids}".encode()).hexdigest()[:12]


def single(words: Sequence[str], composer: Composer) -> Plan:
    """The plan of one run. Raises UsageError for a sweep or a study, which have several."""
    compose_one(words, composer)
    return make(words, composer)


def compose_one(words: Sequence[str], composer: Composer) -> Composed:
    """The config of one run, without looking at data or model."""
    parsed = _parsed(words)
    for override in parsed:
        if grammar.swept(override) or override.get_key_element() == "study":
            raise UsageError(
                f"{override.input_line}: that is more than one run; type: dropbench sweep {' '.join(map(_quoted, words))}"
            )
    return composer.compose(grammar.expand(parsed, composer.options)[0])


def make(words: Sequence[str], composer: Composer) -> Plan:
    """Expands, composes, merges runs that coincide, and checks all of them.

    A pair that cannot be, of a variant and a model or of a model and data, is an error with all its like in one message;
    where a glob asked for whatever there is, it is skipped instead, with the reason.
    """
    points = grammar.expand(_parsed(words), composer.options)
    runs: list[tuple[str | None, Composed]] = []
    for point in points:
        runs.extend(_arms(point, composer))
    first = runs[0][1]
    specs, arms = _distinct([(name, c.spec) for name, c in runs])
    merged = len(runs) - len(specs)
    specs, outlines, skipped = _checked(specs, first.settings, any("glob(" in w for w in words), composer)
    kept = {s.run_id for s in specs}
    study = first.study
    return Plan(
        study=point["study"].partition("=")[2] if study and (point := points[0]) else None,
        question=study["question"] if study else None,
        baseline=study["baseline"] if study else "none",
        specs=tuple(specs),
        arms={name: [i for i in ids if i in kept] for name, ids in arms.items()},
        settings=first.settings,
        overrides=tuple(words),
        outlines=outlines,
        skipped=tuple(skipped),
        merged=merged,
    )


def _parsed(words: Sequence[str]) -> list[Override]:
    parsed = grammar.parse(words)
    repeated = [k for k, n in Counter(o.get_key_element() for o in parsed).items() if n > 1]
    if repeated:
        raise UsageError(f"'{repeated[0]}' is given more than once; write several values as {repeated[0]}=a,b")
    return parsed


def _arms(point: Mapping[str, str], composer: Composer) -> list[tuple[str | None, Composed]]:
    """One point of the grid: itself, or each arm of its study under each seed."""
    composed = composer.compose(point)
    if composed.study is None:
        return [(None, composed)]
    seeds: Sequence[Mapping[str, str]] = [{}]
    if "seed" not in point:
        seeds = grammar.expand(grammar.parse([f"seed={composed.study['seed']}"]), composer.options)
    runs: list[tuple[str | None, Composed]] = []
    for name, setting in composed.study["arms"].items():
        arm = {key: f"{key}={_as_override(value)}" for key, value in setting.items()}
        # An arm that chooses an option of a group starts that group afresh: `dropout: none` has no use for a rate.
        chosen = tuple(f"{key}." for key in arm if "." not in key)
        base = {key: text for key, text in point.items() if key not in arm and not key.startswith(chosen or ("\0",))}
        runs.extend((name, composer.compose({**base, **arm, **seed})) for seed in seeds)
    by_arm = {name: c.spec.arm_id for name, c in runs}
    if len(set(by_arm.values())) < len(by_arm):
        raise UsageError(
            f"study={point['study'].partition('=')[2]}: its arms {', '.join(map(str, by_arm))} must differ, and two are the "
            "same here; choose a variant and a rate above 0: dropout=standard dropout.rate=0.5"
        )
    return runs


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
    models: dict[str, Outline | UsageError] = {}
    reasons: dict[str, str] = {}
    for spec in specs:
        if spec.arm_id in by_arm:  # what can be does not depend on the seed
            continue
        by_arm[spec.arm_id] = None
        table = load(spec.data, settings)
        key = f"{spec.model.model_dump_json()} {table.fingerprint}"
        if key not in models:
            models[key] = _outline(spec, table)
        found = models[key]
        if isinstance(found, UsageError):
            reasons.setdefault(str(found), str(found))
        elif (reason := check(spec, table, found)) is None:
            by_arm[spec.arm_id] = found
        else:
            reasons.setdefault(reason, reason + (_what_fits(found, composer) if reason.startswith("dropout=") else ""))
    outlines = {s.run_id: o for s in specs if (o := by_arm[s.arm_id]) is not None}
    if reasons and not (skip and outlines):
        raise UsageError("\n".join(reasons.values()))
    return [s for s in specs if s.run_id in outlines], outlines, list(reasons.values())


def _outline(spec: RunSpec, table: Table) -> Outline | UsageError:
    try:
        return outline(spec.model, table)
    except UsageError as error:
        return error


def _what_fits(plan: Outline, composer: Composer) -> str:
    """The variants that have a site in this model."""
    from omegaconf import OmegaConf

    fitting = []
    for name, file in options("dropout", composer.extra).items():
        node: Any = OmegaConf.load(file)
        made = locate(node["_target_"])
        try:
            fits = any(made().supports(s) is None for s in plan.sites)
        except TypeError:  # a variant with options that have no default; it cannot be judged from its name alone
            fits = False
        if fits:
            fitting.append(name)
    return f"; sites: {', '.join(s.name for s in plan.sites)}; variants that fit: {', '.join(fitting) or 'none'}"


def _as_override(value: Any) -> str:
    """A plain value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_as_override(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_as_override(v) for v in value) + "]"
    return str(value)


def _quoted(word: str) -> str:
    return f"'{word}'" if any(c in word for c in '()[]{}*" ') else word
