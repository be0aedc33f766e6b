"""Finds conf/, composes with Hydra, and validates into a frozen RunSpec."""

from __future__ import annotations

import copy
import inspect
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from dropbench.config.messages import invalid
from dropbench.config.options import GROUPS, KEYS, called, conf_dir, options
from dropbench.errors import UsageError, nearest
from dropbench.spec import (
    CONSTANT,
    NONE,
    Component,
    DataSpec,
    DropoutSpec,
    MetricSpec,
    RunSpec,
    Settings,
    StudySpec,
    Task,
)
from dropbench.values import flatten, written


@dataclass(frozen=True)
class Composed:
    """One point of a grid: the spec of its run, how to run it, and the study's node where there is one."""

    spec: RunSpec
    settings: Settings
    study: StudySpec | None


class Composer:
    """Composes overrides over conf/ and the user's folders. Use as `with composer(...) as c`."""

    def __init__(self, extra: Sequence[Path]) -> None:
        self.extra = tuple(extra)
        self._cache: dict[tuple[str, ...], dict[str, Any]] = {}
        self._chosen: dict[tuple[str, ...], Any] = {}

    def options(self, group: str) -> list[str]:
        return list(options(group, self.extra))

    def compose(self, overrides: Mapping[str, str]) -> Composed:
        """`overrides` are simple ones, by key. Seeds of one setting are composed once."""
        rest = tuple(text for key, text in overrides.items() if key != "seed")
        if rest not in self._cache:
            self._cache[rest] = self._tree(rest)
        tree = dict(self._cache[rest])
        if "seed" in overrides:
            tree["seed"] = overrides["seed"].partition("=")[2]
        return Composed(_spec(tree), _settings(tree), _study(tree.get("study")))

    def _tree(self, overrides: tuple[str, ...]) -> dict[str, Any]:
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError  # type: ignore[import-untyped]

        try:
            tree = OmegaConf.to_container(self._hydra(overrides), resolve=True)
        except YAMLError as error:
            raise UsageError(f"this is no YAML: {' '.join(str(error).split())}") from error
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise self._explained(overrides, error) from error
        assert isinstance(tree, dict)
        found = {str(k): v for k, v in tree.items()}
        if unknown := [key for key in found if key not in KEYS]:
            raise UsageError(f"'{unknown[0]}' is not a key here; {nearest(unknown[0], KEYS)}")
        return found

    def _hydra(self, overrides: Sequence[str]) -> Any:
        from hydra import compose
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from omegaconf import OmegaConf

        for text in overrides:
            if text.lstrip("+").startswith("hydra"):
                raise UsageError(f"{text}: dropbench starts no Hydra jobs, so Hydra's own settings are not keys here")
            _one_option(text)
        # Reading and merging the files of the chosen options costs 70 ms, so it is done once for all values that are then
        # set in what it gives, in the way in which Hydra does that.
        values = [text for text in overrides if _is_value(text)]
        choices = tuple(text for text in overrides if not _is_value(text))
        if choices not in self._chosen:
            path = [f"hydra.searchpath=[{','.join(f'file://{d}' for d in self.extra)}]"] if self.extra else []
            self._chosen[choices] = compose("config", overrides=[*path, *choices])
        tree = copy.deepcopy(self._chosen[choices])
        for value in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(tree, value.key_or_group, value.value(), merge=True)
        return tree

    def _explained(self, overrides: tuple[str, ...], error: Exception) -> UsageError:
        """Which of the overrides is at fault, and what it might have meant."""
        from hydra.errors import HydraException
        from omegaconf import OmegaConf

        given = {text.partition("=")[0].lstrip("+"): text.partition("=")[2] for text in overrides}
        chosen = {key: value for key, value in given.items() if key in GROUPS}
        for group, value in chosen.items():
            known = self.options(group)
            for name in (n.strip("'\" ") for n in value.strip("[]").split(",")):
                if name not in known:
                    kind = group.rpartition("/")[2]
                    meant = " or ".join(f"{group}={option}" for option in called(group, name, self.extra))
                    near = f"what goes by that name is here {meant}" if meant else nearest(name, known)
                    return UsageError(f"{group}={name}: there is no such {kind}; {near}")
        try:
            tree: Any = OmegaConf.to_container(self._hydra([f"{group}={value}" for group, value in chosen.items()]))
        except HydraException:  # not the overrides: an option's own file
            return UsageError(" ".join(str(error).split()))
        leaves = flatten(tree, whole=())
        inner = {key.rsplit(".", n)[0] for key in leaves for n in range(1, key.count(".") + 1)}
        for key, value in given.items():
            if key in leaves or key in inner or key in GROUPS:
                continue
            if key.startswith("study.") and "study" not in chosen:
                return UsageError(f"{key} needs a study beside it: study={' or '.join(self.options('study'))}")
            parent, _, last = key.rpartition(".")
            if parent in leaves and leaves[parent] is None:
                return UsageError(f"'{key}' is not a key here; write '{parent}={{{last}: {value}}}'")
            group = parent.replace(".", "/")
            if group in GROUPS and (owners := _having(last, options(group, self.extra))):
                chosen_here = leaves.get(f"{parent}.name")
                return UsageError(
                    f"'{key}' is no key of {group}={chosen_here}; it is one of {group}={' or '.join(owners)}"
                )
            if not parent and (whole := [k for k in (*GROUPS, *leaves) if k.endswith((f"/{key}", f".{key}"))]):
                return UsageError(f"'{key}' is not a key here; write {' or '.join(f'{k}={value}' for k in whole)}")
            return UsageError(f"'{key}' is not a key here; {_near_key(key, leaves)}")
        return UsageError(" ".join(str(error).split()))


def _one_option(override: str) -> None:
    """Raises UsageError for a list of several options of a group that takes one: Hydra would let the last one count.

    Metrics are several; so will variants be.
    """
    group, _, value = override.partition("=")
    names = [n.strip("'\" ") for n in value.strip("[]").split(",")]
    if group not in GROUPS or group == "metric" or not value.startswith("[") or len(names) < 2:
        return
    hint = f"to compare them, write {group}={','.join(names)}"
    if group == "dropout":
        raise UsageError(f"{override}: an arm with several variants cannot be trained yet; {hint}")
    raise UsageError(f"{override}: a run has one option of {group}; {hint}")


def _is_value(override: str) -> bool:
    """Whether it sets a key, and neither chooses an option of a group nor adds or removes a key."""
    key = override.partition("=")[0]
    return not (key in GROUPS or key.startswith(("+", "~")) or "/" in key or "@" in key)


@contextmanager
def composer(extra: Sequence[Path] = ()) -> Iterator[Composer]:
    """A Composer over conf/ and `extra`, whose folders, like the current one, may also hold the classes they name.

    Raises UsageError for a folder that does not exist.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    folders = [d.resolve() for d in extra]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--conf {folder}: there is no such folder; it holds groups such as model/my_model.yaml")
        for group in GROUPS:
            for name in options(group).keys() & {f.stem for f in (folder / group).glob("*.yaml")}:
                raise UsageError(
                    f"--conf {folder}: {group}/{name}.yaml is called like one of dropbench's own; rename it"
                )
    for entry in (str(Path.cwd()), *map(str, folders)):
        if entry not in sys.path:
            sys.path.append(entry)
    OmegaConf.register_new_resolver("half", _half, replace=True)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield Composer(folders)


def _half(value: Any) -> Any:
    """Half of a rate, or of each in a mapping: the reduced arm of a study. What is no number is left to validation."""
    if isinstance(value, Mapping):
        return {k: _half(v) for k, v in value.items()}
    return value / 2 if isinstance(value, (int, float)) else value


def _spec(tree: Mapping[str, Any]) -> RunSpec:
    from pydantic import ValidationError

    # What reads like the choice of an option is an override of the node to Hydra.
    if not isinstance(tree["eval"], Mapping):
        raise UsageError(f"eval={written(tree['eval'])}: write eval.mode={written(tree['eval'])}")
    if not isinstance(schedule := tree["dropout"].get("schedule", {}), Mapping):
        raise UsageError(f"dropout.schedule={written(schedule)}: write dropout/schedule={written(schedule)}")
    metrics, tasks = _metrics(tree["metric"])
    try:
        spec = RunSpec.model_validate(
            {
                "model": _component(tree["model"], ()),
                "dropout": _component(tree["dropout"], tuple(DropoutSpec.model_fields)),
                "data": _component(tree["data"], (*DataSpec.model_fields, "root", "download")),
                "train": {key: value for key, value in tree["train"].items() if key != "loggers"},
                "eval": tree["eval"],
                "metric": metrics,
                "seed": tree["seed"],
            }
        )
    except ValidationError as error:
        raise invalid("", error) from error
    monitored = spec.train.monitor.removeprefix("val_")
    if monitored not in spec.metric:
        raise UsageError(f"train.monitor={spec.train.monitor} is not measured; add it: metric=[loss,accuracy]")
    task = getattr(locate(spec.model.target), "task", "classify")
    fitting = {name: m for name, m in spec.metric.items() if not tasks[name] or task in tasks[name]}
    if monitored not in fitting:
        others = " or ".join(f"train.monitor=val_{n}" for n in fitting) or "a metric that fits it"
        raise UsageError(
            f"train.monitor={spec.train.monitor}: {monitored} is no metric for model={spec.model.name}, whose task is "
            f"{task}; choose {others}"
        )
    update: dict[str, Any] = {
        "model": spec.model.model_copy(
            update={"options": checked_options("model", spec.model.target, spec.model.options)}
        ),
        "data": spec.data.model_copy(update={"options": checked_options("data", spec.data.target, spec.data.options)}),
        "dropout": _canonical(spec.dropout),
        "metric": {
            name: m.model_copy(update={"options": checked_options(f"metric.{name}", m.target, m.options)})
            for name, m in fitting.items()
        },
    }
    return spec.model_copy(update=update)


def _canonical(dropout: DropoutSpec) -> DropoutSpec:
    """The same arm always reads the same: a variant that acts nowhere has no rates, whatever a grid gave it.

    Nor has it a schedule; and one whose rates are all 0 is none.
    """
    update: dict[str, Any] = {"options": checked_options("dropout", dropout.target, dropout.options)}
    schedule = dropout.schedule.model_copy(update={"options": _schedule_options(dropout.schedule)})
    if not locate(dropout.target).kinds:
        update |= {"rate": 0.0, "rates": {}, "placement": None, "schedule": CONSTANT}
    elif dropout.silent:
        return NONE
    return dropout.model_copy(update={"schedule": schedule, **update})


def _schedule_options(schedule: Component) -> dict[str, Any]:
    """Checked, and the schedule with them at a few points: options that do not go together show when it is called."""
    checked = checked_options("dropout.schedule", schedule.target, schedule.options)
    for point in (0.0, 0.25, 0.5, 0.75, 1.0):
        try:
            factor = round(float(locate(schedule.target)(point, **checked)), 9)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise UsageError(f"dropout/schedule={schedule.name} fails at progress {point:g}: {error}") from error
        if not 0 <= factor <= 1:  # nor is NaN
            raise UsageError(
                f"dropout/schedule={schedule.name} gives {factor:g} at progress {point:g}; it must give 0 to 1"
            )
    return checked


def _metrics(nodes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The metrics' components, and the tasks that each is for: none named means all."""
    known = get_args(Task)
    tasks = {name: list(node.get("tasks") or ()) for name, node in nodes.items()}
    for name, found in tasks.items():
        if unknown := [task for task in found if task not in known]:
            raise UsageError(f"metric.{name}.tasks: there is no task '{unknown[0]}'; {nearest(unknown[0], known)}")
    fields = tuple(MetricSpec.model_fields)
    return {n: _component({k: v for k, v in m.items() if k != "tasks"}, fields) for n, m in nodes.items()}, tasks


def _component(node: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """A group's node with what is not a field of every component gathered under `options`."""
    fixed = {"name", "_target_", "version", *fields} - {"options", "target", "source"}
    known = {k: v for k, v in node.items() if k in fixed and k not in ("root", "download")}
    if "schedule" in known:
        known["schedule"] = _component(known["schedule"], ())
    return known | {"options": {k: v for k, v in node.items() if k not in fixed}}


def _study(node: Mapping[str, Any] | None) -> StudySpec | None:
    from pydantic import ValidationError

    if node is None:
        return None
    try:
        study = StudySpec.model_validate(node)
    except ValidationError as error:
        raise invalid("study", error) from error
    if study.baseline not in study.arms:
        raise UsageError(
            f"study.baseline={study.baseline}: no arm is called that; {nearest(study.baseline, study.arms)}"
        )
    return study


def _settings(tree: Mapping[str, Any]) -> Settings:
    from pydantic import ValidationError

    data = tree["data"]
    try:
        return Settings.model_validate(
            {key: tree[key] for key in ("device", "results", "execute")}
            | {f"data.{key}": data[key] for key in ("root", "download") if key in data}
            | {"train.loggers": tree["train"].get("loggers")}
        )
    except ValidationError as error:
        raise invalid("", error) from error


@cache
def locate(target: str) -> Any:
    """The class or function that a `_target_` names. Raises UsageError where it cannot be imported."""
    from hydra.utils import get_object

    # Hydra logs what it raises, and a log without a handler goes to the console.
    logging.getLogger("hydra.utils").addHandler(logging.NullHandler())
    try:
        return get_object(target)
    except (ImportError, ValueError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UsageError(f"_target_: {target} cannot be imported: {reason}") from error


@cache
def _options_model(target: str) -> Any:
    """A pydantic model of a target's keyword-only arguments: what may stand in its YAML, and of what type."""
    from typing import get_type_hints

    from pydantic import ConfigDict, create_model

    found = locate(target)
    hints = get_type_hints(found.__init__ if inspect.isclass(found) else found, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if p.default is p.empty else p.default)
        for name, p in inspect.signature(found).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }
    return create_model("Options", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def checked_options(group: str, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` checked against the target's annotations, converted to them, defaults filled in."""
    from pydantic import ValidationError

    try:
        return dict(_options_model(target).model_validate(dict(given)).model_dump(mode="json"))
    except ValidationError as error:
        raise invalid(group, error, list(_options_model(target).model_fields)) from error


def _having(key: str, files: Mapping[str, Path]) -> list[str]:
    """The options whose file sets that key."""
    return [
        n for n, f in files.items() if re.search(rf"^{re.escape(key)}:", f.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def _near_key(key: str, keys: Iterable[str]) -> str:
    """Near keys of the same group if it is one, else of all: a whole list would be a wall."""
    group, last = key.partition(".")[0], key.rpartition(".")[2]
    visible = [k for k in keys if not k.endswith(("_target_", ".name", ".version"))]
    beside = [k for k in visible if k.startswith(f"{group}.")] or [*KEYS, *GROUPS]
    near = nearest(key, [*beside, *(k for k in visible if "." in key and k.rpartition(".")[2] == last)])
    return near if len(near) < 400 else f"{near.rpartition('valid: ')[0]}`dropbench train --cfg` shows every key"
