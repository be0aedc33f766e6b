"""Turns overrides and studies into an ordered list of runs, all of which are checked before any is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from dropbench import identity
from dropbench.config.compose import Composed, Composer
from dropbench.config.parts import function_of
from dropbench.config.paths import check_results
from dropbench.config.study_spec import Check, Claim, Program, StudySpec
from dropbench.config.sweeps import MOST_RUNS, check_count
from dropbench.config.swept import explaining_decimals
from dropbench.errors import UsageError, nearest
from dropbench.hardware.blas import one_thread
from dropbench.planning.budget import epochs_of
from dropbench.planning.checks import warnings
from dropbench.planning.expand import Planned, one_point, points, runs_of
from dropbench.planning.fitting import fitting
from dropbench.planning.measured import measures_nothing, not_taken, of_task, unasked
from dropbench.planning.outline import Outline
from dropbench.planning.own_rates import replaced
from dropbench.planning.sources import forget_dead, load
from dropbench.planning.study_arms import Coincide
from dropbench.settings import Settings
from dropbench.spec import MetricSpec, RunSpec
from dropbench.values import flatten, written


@dataclass(frozen=True)
class Plan:
    """Runs in order, the arms to which they belong, and what was left out and why."""

    study: str | None
    question: str | None
    baseline: str
    specs: tuple[RunSpec, ...]
    tables: dict[str, dict[str, list[str]]]
    """For a study, which names its arms: the tables of its report, {setting id of the baseline: {arm: run ids}}.

    Points of a sweep over a study that share a baseline share a table.
    """
    settings: Settings
    overrides: tuple[str, ...]
    outlines: dict[str, Outline] = field(repr=False)
    """The outline of each run's model, by run id."""
    skipped: tuple[str, ...] = ()
    merged: int = 0
    warnings: tuple[str, ...] = ()
    """Warnings about some of the arms, each only once."""
    data_notes: tuple[str, ...] = ()
    """Those of them that are about how the data were read."""
    outcomes: tuple[str, ...] = ()
    """Metrics of the test split that were named in advance; their comparisons are corrected for multiplicity together."""
    contrasts: dict[str, str] = field(default_factory=dict)
    """Questions about the arms of a study by name, in the grammar of contrasts."""
    claims: dict[str, Claim] = field(default_factory=dict)
    """Statements about its arms that it tests, by name."""
    checks: dict[str, Check] = field(default_factory=dict)
    """Mathematical statements, by name."""
    programs: dict[str, Program] = field(default_factory=dict)
    """Statements about functions of a seed, by name."""
    unplanned: tuple[str, ...] = ()
    """Why some of the requested runs are missing: the user's code ended the process that examined it."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why runs of `specs` failed before training could begin, by run id; they have no outline."""

    @property
    def arms(self) -> dict[str, list[str]]:
        """The run ids of each named arm, from all tables."""
        arms: dict[str, dict[str, None]] = {}
        for table in self.tables.values():
            for name, runs in table.items():
                arms.setdefault(name, {}).update(dict.fromkeys(runs))
        return {name: list(runs) for name, runs in arms.items()}

    @property
    def plan_id(self) -> str:
        """12 hex digits of a hash of the study's name and the runs, whatever their order."""
        return identity.plan_id(self.study, (s.run_id for s in self.specs))


def compose_one(overrides: Sequence[str], composer: Composer) -> Composed:
    """Returns the config of one run, without examining data or model. Raises UsageError as `single` does."""
    return composer.compose(one_point(overrides, composer))


def single(overrides: Sequence[str], composer: Composer) -> Plan:
    """Returns the plan of one run. Raises UsageError for a sweep or a study, which have several runs."""
    return _plan(overrides, [one_point(overrides, composer)], composer)


def make(overrides: Sequence[str], composer: Composer, most: int = MOST_RUNS) -> Plan:
    """Expands and composes the overrides, merges runs that coincide, and checks all of them.

    If a variant does not fit a model, or a model the data, an error reports all such pairs in one message. If a glob chose the
    options, such pairs are skipped instead, with the reason.

    Parameters
    ----------
    overrides : sequence of str
        As they were typed.
    composer : Composer
        Knows the options.
    most : int
        The most runs, before those that coincide are merged.
    """
    return _plan(overrides, points(overrides, composer, most), composer, most)


def _plan(
    overrides: Sequence[str], grid: Sequence[Mapping[str, str]], composer: Composer, most: int = MOST_RUNS
) -> Plan:
    by_glob = any("glob(" in text for text in overrides)
    forget_dead()
    with explaining_decimals(overrides):
        runs, coinciding, died = _composed(grid, by_glob, composer, most)
    composer.check_all_met()
    first = runs[0].composed
    _find_functions(first.study)
    _one_place([r.composed.settings for r in runs])
    check_results(first.settings.results)
    name = _one_study(grid)
    distinct, tables = _distinct(runs)
    with one_thread():  # workers may be forks of this process
        fit = fitting(distinct, first.settings, by_glob, composer)
        kept = fit.outlines.keys() | fit.failed.keys()
        asked = any(r.composed.asked for r in runs)
        bound = _bound(
            [s for s in distinct if s.run_id in kept],
            fit.outlines,
            first.settings,
            lambda task: {} if asked else unasked(task, composer.extra),
        )
    specs, outlines = bound.values(), {bound[i].run_id: outline for i, outline in fit.outlines.items()}
    study = first.study
    told = [w for r in runs if (spec := bound.get(r.composed.spec.run_id)) for w in not_taken(spec, r.composed.asked)]
    needs = {name: need for r in runs for name, need in r.composed.needs.items()}
    about_data = tuple(dict.fromkeys(_notes(specs, first.settings)))
    told += [*about_data, *replaced(specs, outlines), *_without_dropout(overrides, specs)]
    told += _of_official_split(overrides, specs, first.settings)
    one_of_each = {s.arm_id: s for s in specs if s.run_id in outlines}.values()
    return Plan(
        study=name if study else None,
        question=study.question if study else None,
        outcomes=_outcomes(study.outcomes if study else (), specs),
        contrasts=dict(study.contrasts) if study else {},
        claims=dict(study.claims) if study else {},
        checks=dict(study.checks) if study else {},
        programs=dict(study.programs) if study else {},
        baseline=study.baseline if study else "none",
        specs=tuple(specs),
        tables={
            table: {arm: [bound[i].run_id for i in ids if i in bound] for arm, ids in arms.items()}
            for table, arms in tables.items()
        },
        settings=first.settings,
        overrides=tuple(overrides),
        outlines=outlines,
        skipped=tuple(dict.fromkeys((*coinciding, *fit.reasons))),
        merged=len(runs) - len(distinct),
        warnings=tuple(
            dict.fromkeys((*told, *(w for s in one_of_each for w in _warnings(s, outlines[s.run_id], needs))))
        ),
        data_notes=about_data,
        unplanned=tuple(dict.fromkeys((*died, *fit.unplanned))),
        failed={bound[i].run_id: reason for i, reason in fit.failed.items()},
    )


def _find_functions(study: StudySpec | None) -> None:
    """Raises UsageError for a check or a program of a study whose function is not there, before anything is trained."""
    for kind in ("checks", "programs") if study else ():
        for name, one in getattr(study, kind).items():
            function_of(one.target, f"study.{kind}.{name}._target_")


def _without_dropout(overrides: Sequence[str], specs: Iterable[RunSpec]) -> Iterator[str]:
    """Yields a warning for settings of dropout that were typed beside `dropout=none`, if no run has any dropout."""
    typed = [text for text in overrides if text.startswith("dropout.")]
    if typed and "dropout=none" in overrides and all(v.name == "none" for spec in specs for v in spec.variants):
        told = f"{' '.join(typed)} has no effect, because no run has dropout"
        yield f"{told}; leave it out, or choose a variant, such as dropout=standard"


def _of_official_split(overrides: Sequence[str], specs: Iterable[RunSpec], settings: Settings) -> Iterator[str]:
    """Yields a warning for a typed share of a split that no data set here draws, because each comes with its own."""
    typed = [text for text in overrides if text.startswith(("data.val_fraction=", "data.test_fraction="))]
    data = {spec.data.name: spec.data for spec in specs} if typed else {}
    tables = {name: load(one, settings) for name, one in data.items()}
    for text in typed:
        part, rows = ("validation", "val") if "val_" in text else ("test", "test")
        if tables and all(t.axes == "W" or getattr(t, rows) is not None for t in tables.values()):
            yield f"{text} has no effect, because data={' and data='.join(tables)} comes with its own {part} split"


def _notes(specs: Iterable[RunSpec], settings: Settings) -> Iterator[str]:
    """Yields notes about how the data were read."""
    for data in {data.model_dump_json(): data for data in {id(s.data): s.data for s in specs}.values()}.values():
        table = load(data, settings)
        yield from (f"data '{table.name}': {note}" for note in (*table.remedies, *table.notes))


def _outcomes(named: Sequence[str], specs: Iterable[RunSpec]) -> tuple[str, ...]:
    """Returns the outcomes of a study. Raises UsageError for one that some run does not measure."""
    for spec in specs:
        known = [name for name, metric in spec.metric.items() for name in (name, *metric.also)]
        for name in named:
            if not any(fnmatchcase(name, pattern) for pattern in known):
                asked = ",".join([*spec.metric, name])
                hint = nearest(name, [k for k in known if "*" not in k])
                raise UsageError(f"study.outcomes: no run measures {name}; {hint}, or measure it: 'metric=[{asked}]'")
    return tuple(dict.fromkeys(named))


def _warnings(spec: RunSpec, outline: Outline, needs: Mapping[str, str]) -> list[str]:
    return [*warnings(spec, outline), *measures_nothing(spec, outline, needs)]


def _composed(
    grid: Sequence[Mapping[str, str]], skip: bool, composer: Composer, most: int
) -> tuple[list[Planned], list[str], list[str]]:
    """Returns every run of the grid.

    Also returns messages about points that were left out because two of their arms coincide, and about code that ends the
    process on import.
    """
    runs: list[Planned] = []
    coinciding: dict[str, None] = {}
    died: dict[str, None] = {}
    for point in grid:
        try:
            of_point, dead = runs_of(point, composer, most)
            died |= dict.fromkeys(map(str, dead))
            runs += of_point
            # Only now are the arms and seeds of a study known, and all points of a grid have the same number.
            check_count(len(of_point) * len(grid), most)
        except Coincide as error:
            coinciding[str(error)] = None
    if coinciding and not (skip and runs):
        raise UsageError("\n".join(coinciding))
    if not runs:
        raise UsageError("\n".join(died))
    return runs, list(coinciding), list(died)


def _one_study(grid: Sequence[Mapping[str, str]]) -> str | None:
    """Returns the name of the study of all points, or None. Raises UsageError for several studies."""
    names = dict.fromkeys(point["study"].partition("=")[2] for point in grid if "study" in point)
    if len(names) > 1:
        raise UsageError(f"study={','.join(names)}: choose one study at a time, because each has its own baseline")
    return next((name for name in names if name != "null"), None)


def _one_place(settings: Sequence[Settings]) -> None:
    """Raises UsageError for a grid over settings that are no part of a run, which would train each run only once, somewhere."""
    first = settings[0].model_dump(mode="json")
    for other in (s for s in settings if s is not settings[0] and s != settings[0]):
        for key, value in other.model_dump(mode="json").items():
            if value != first[key]:
                lists = ", or a list of several: [csv,tensorboard]" if key == "train_loggers" else ""
                raise UsageError(f"'{key.replace('_', '.')}' applies to the whole sweep: give it one value{lists}")


def _bound(
    specs: Sequence[RunSpec],
    outlines: Mapping[str, Outline],
    settings: Settings,
    beside: Callable[[str], dict[str, MetricSpec]],
) -> dict[str, RunSpec]:
    """Returns each spec, by its earlier id, with the fingerprint of its data, without which it has no final id.

    They also get only the metrics that fit their task and those from `beside`, and the number of epochs for `train.updates`.
    """
    bound, epochs = {}, dict[str, int]()
    arms: dict[tuple[int, ...], RunSpec] = {}
    for spec in specs:
        if (known := arms.get(spec.kin)) is not None:
            bound[spec.run_id] = known.under(spec.seed)
            continue
        table = load(spec.data, settings)
        update: dict[str, Any] = {"data_fingerprint": table.fingerprint}
        if spec.run_id in outlines:
            task = outlines[spec.run_id].task
            update["metric"] = of_task(spec, task) | beside(task)
        if spec.train.updates is not None and (outline := outlines.get(spec.run_id)) is not None:
            if spec.setting_id not in epochs:
                epochs[spec.setting_id] = epochs_of(spec, table, outline)
            update["train"] = spec.train.model_copy(update={"epochs": epochs[spec.setting_id]})
        bound[spec.run_id] = arms[spec.kin] = spec.model_copy(update=update)
    return bound


def _distinct(runs: Sequence[Planned]) -> tuple[list[RunSpec], dict[str, dict[str, list[str]]]]:
    """Returns each distinct run, and the run ids of each named arm in each table.

    Runs that differ only in their metrics are merged into one run that measures all of them.
    """
    specs: dict[str, RunSpec] = {}
    tables: dict[str, dict[str, list[str]]] = {}
    for composed, arm, table in runs:
        spec = composed.spec
        other = specs.setdefault(spec.run_id, spec)
        if other.metric is not spec.metric and other.metric != spec.metric:
            specs[spec.run_id] = other.model_copy(update={"metric": _all_metrics(other, spec)})
        if arm is not None and table is not None:
            ids = tables.setdefault(table, {}).setdefault(arm, [])
            if spec.run_id not in ids:
                ids.append(spec.run_id)
    return list(specs.values()), tables


def _all_metrics(one: RunSpec, other: RunSpec) -> dict[str, MetricSpec]:
    """Returns the metrics of both. Raises UsageError if they have the same one with different options."""
    for name in (n for n in one.metric if n in other.metric):
        first, second = (flatten(s.as_dict()["metric"][name], f"metric.{name}.", whole=False) for s in (one, other))
        for key in (k for k in first if first[k] != second.get(k)):
            raise UsageError(
                f"{key}={written(first[key])},{written(second.get(key))}: runs that differ only in this option "
                f"of {name} are the same run; give it one value"
            )
    return {**one.metric, **other.metric}
