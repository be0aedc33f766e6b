"""Finds the files of the chosen options, merges them with Hydra, and sets the typed values."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config import several
from dropbench.config.choices import check_choice
from dropbench.config.explain import explained
from dropbench.config.forbidden import check_targets
from dropbench.config.grammar import parse
from dropbench.config.options import GROUPS, conf_dir, group_of, options
from dropbench.config.parts import forget_dead
from dropbench.config.paths import PATHS, plain_path
from dropbench.config.regularizers import chosen, met
from dropbench.config.shape import check_budget, check_names, checked_tree
from dropbench.config.specs import settings_of, spec_of, study_of, with_monitored
from dropbench.config.study_keys import MAPPINGS, check_keys, overrides_of
from dropbench.config.study_spec import StudySpec
from dropbench.config.swept import first, holds_list
from dropbench.config.typed import setting, text
from dropbench.errors import UsageError
from dropbench.identity import BESIDE, HOST
from dropbench.settings import Settings
from dropbench.spec import RunSpec

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_PLAIN_SEED = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Composed:
    """One point of a grid: the spec of its run, the settings to run it with, and the study, if there is one."""

    spec: RunSpec
    settings: Settings
    study: StudySpec | None
    asked: tuple[str, ...] = ()
    """The metrics that were asked for by name, whether or not they fit the task of the model."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """By name, what model and data must have for those metrics that can be measured only on some of them."""


class _Files:
    """The merged files of some options before anything is set: as OmegaConf's tree, and as `plain` values, unresolved."""

    def __init__(self, tree: Any) -> None:
        from omegaconf import OmegaConf

        self.tree = tree
        self.plain: Any = OmegaConf.to_container(tree)
        self._bytes = pickle.dumps(tree, protocol=5)

    def copy(self) -> Any:
        """Returns a copy of the tree to set values in; ten times as fast as `copy.deepcopy`, which takes 4 ms per arm."""
        return pickle.loads(self._bytes)


class Composer:
    """Composes overrides with conf/ and the user's folders. It is used as `with composer(...) as c`.

    Parameters
    ----------
    extra : sequence of Path
        The user's folders of options, as absolute paths; they are searched first.
    """

    def __init__(self, extra: Sequence[Path]) -> None:
        self.extra = tuple(extra)
        self._cache: dict[tuple[str, ...], dict[str, Any]] = {}
        self._chosen: dict[tuple[str, ...], _Files] = {}
        self._made: dict[tuple[str, ...], Composed] = {}
        """The composed runs by their overrides without the seed."""
        self._read: dict[str, Override] = {}
        self._fit: set[str] = set()
        """The choices of options that have been checked."""
        self._stand_for: dict[tuple[str, ...], list[str]] = {}
        """The variants of each choice of dropout that was read."""
        self._idle: dict[str, str] = {}
        """By regularizer, a typed key of a regularizer that some run does not have: see `config.regularizers`."""
        self._arms: tuple[dict[str, dict[str, Any]], str] | None = None
        self._beside: set[str] = set()
        """The regularizers that were chosen for any run."""

    def options(self, group: str) -> list[str]:
        """Returns the names of a group's options, including the user's own."""
        return list(options(group_of(group) or group, self.extra))

    def with_arms(self, arms: Mapping[str, Mapping[str, Any]], baseline: str) -> Composer:
        """Returns a copy in which the chosen study has these arms in place of its own."""
        other = copy.copy(self)
        other._made = {}
        other._arms = {name: dict(arm) for name, arm in arms.items()}, baseline
        return other

    def compose(self, overrides: Mapping[str, str]) -> Composed:
        """Returns one point of a grid. All seeds of a setting are composed only once.

        Parameters
        ----------
        overrides : mapping of str to str
            Simple overrides, such as `dropout.rate=0.5`, by their keys.

        Raises
        ------
        UsageError
            If an override has an unknown key or an invalid value.
        """
        but_seed = tuple(text for key, text in overrides.items() if key != "seed")
        seed = overrides.get("seed", "").partition("=")[2]
        if but_seed in self._made and _PLAIN_SEED.fullmatch(seed):  # any other seed goes through the whole check
            known = self._made[but_seed]
            return replace(known, spec=known.spec.under(int(seed)))
        made = self._made[but_seed] = self._checked(overrides)
        return made

    def _checked(self, overrides: Mapping[str, str]) -> Composed:
        rest = tuple(text for key, text in overrides.items() if key not in ("seed", *PATHS))
        if rest not in self._cache:
            self._cache[rest] = self._tree(rest)
        tree = dict(self._cache[rest])
        if "seed" in overrides:
            tree["seed"] = overrides["seed"].partition("=")[2]
        for key in (k for k in PATHS if k in overrides):
            _set_path(tree, key, overrides[key].partition("=")[2])
        if "metric" not in overrides:
            tree["metric"] = with_monitored(tree, self.extra)
        spec = spec_of(tree, self.extra)
        asked = tuple(tree["metric"]) if "metric" in overrides else ()
        needs = {name: str(node["needs"]) for name, node in tree["metric"].items() if "needs" in node}
        study = study_of(tree.get("study"))
        if study is not None and self._arms is not None:
            study = study.model_copy(update=dict(zip(("arms", "baseline"), self._arms, strict=True)))
        return Composed(spec, settings_of(tree), study, asked, needs)

    def takes_list(self, key: str, overrides: Sequence[Override]) -> bool:
        """Returns whether the value of a key is a list, for the first of the options that these overrides choose."""
        picked = {o.key_or_group: first(o) for o in overrides if group_of(o.key_or_group)}
        try:
            parsed = self._parsed([f"{group}={text(one)}" for group, one in picked.items() if one is not None])
            with self._explaining(parsed):
                return holds_list(key, self._files(parsed).plain)
        except UsageError:  # composing raises it again
            return False

    def check_all_met(self) -> None:
        """Raises UsageError if a key was typed for a regularizer that none of the composed runs has."""
        for name in self._idle.keys() - self._beside:
            raise UsageError(
                f"{self._idle[name]} has no effect, because no run uses this regularizer; add {BESIDE}=[{name}]"
            )

    def for_all_arms(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """Returns what the study chosen by these overrides sets for all of its arms, as simple overrides by key.

        Interpolations are kept, because the other overrides may set what they refer to.

        Raises
        ------
        UsageError
            If the study cannot be read, or a key is not a setting of an arm.
        """
        from omegaconf import OmegaConf

        own = tuple(text for key, text in overrides.items() if key.partition(".")[0] == "study")
        if not own:
            return {}
        with self._explaining(parsed := self._parsed(own)):
            node = OmegaConf.select(self._hydra(parsed), "study.set")
            given = OmegaConf.to_container(node) if OmegaConf.is_dict(node) else {}
        assert isinstance(given, dict)
        return overrides_of({str(k): v for k, v in given.items()}, lambda key, value: f"{key}={text(value)}")

    def _tree(self, overrides: tuple[str, ...]) -> dict[str, Any]:
        from omegaconf import OmegaConf

        parsed, names, idle = met(self._parsed(overrides), self.extra)
        self._idle |= idle
        self._beside |= set(names)
        with self._explaining(parsed):
            merged = self._hydra(parsed)
            study = OmegaConf.to_container(merged.study) if OmegaConf.is_dict(merged.get("study")) else None
            if study is not None and len(variants := self._variants(parsed)) > 1:
                merged.study = several.study_of_each(merged, variants)
            tree = OmegaConf.to_container(merged, resolve=True)
        assert isinstance(tree, dict)
        check_targets(tree, self._files(parsed).plain)
        if isinstance(study, Mapping):
            check_keys({str(key): value for key, value in study.items()})
        checked = checked_tree({str(k): v for k, v in tree.items()})
        check_budget(checked, {o.key_or_group: o.value() for o in parsed})
        names_of = {o.key_or_group: several.names_of(_choice(o)) for o in parsed if group_of(o.key_or_group)}
        if several.GROUP in names_of:
            names_of[several.GROUP] = self._variants(parsed)
        check_names(checked, names_of)
        return checked

    def _parsed(self, overrides: Sequence[str]) -> list[Override]:
        """Parses overrides, checks choices of options, and shortens the keys of an arm's only variant to `dropout.KEY`."""
        for line in overrides:
            if line not in self._read:
                (self._read[line],) = parse([line])
        for line in overrides:
            if line not in self._fit and group_of((override := self._read[line]).key_or_group):
                check_choice(override, self.extra)
                self._fit.add(line)
        parsed = [copy.copy(self._read[text]) for text in overrides]  # copies, because their keys are changed below
        if len(variants := self._variants(parsed)) == 1:
            for override in parsed:
                override.key_or_group = several.bare(override.key_or_group, variants[0])
        return parsed

    def _variants(self, overrides: Sequence[Override]) -> list[str]:
        """Returns the arm's variants, in order."""
        typed = [o.value() for o in overrides if o.key_or_group == several.GROUP]
        names = tuple(several.names_of(typed[0])) if typed else (several.USUAL,)
        if (
            names not in self._stand_for
        ):  # looking through the folders takes longer than all else that an arm needs here
            self._stand_for[names] = several.variants_of(names, self.extra) if typed else [several.USUAL]
        return self._stand_for[names]

    @contextmanager
    def _explaining(self, overrides: Sequence[Override]) -> Iterator[None]:
        """Context manager that converts errors from Hydra about these overrides, or the files they choose, to UsageError."""
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError  # type: ignore[import-untyped]

        try:
            yield
        except YAMLError as error:
            raise UsageError(f"this is not valid YAML: {' '.join(str(error).split())}") from error
        except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
            raise explained(overrides, error, self.extra, lambda: self._files(overrides).tree) from error

    def _hydra(self, overrides: Sequence[Override]) -> Any:
        from omegaconf import OmegaConf

        # Reading and merging the files of the chosen options takes 70 ms, so it is done once, and the values are set in copies
        # of the result, as Hydra itself sets them.
        tree = self._files(overrides).copy()
        for override in overrides:
            if group_of(override.key_or_group) is None:
                added = override.is_add() or override.is_force_add()
                OmegaConf.update(tree, override.key_or_group, override.value(), merge=True, force_add=added)
        return tree

    def _files(self, overrides: Sequence[Override]) -> _Files:
        """Returns the merged files of the chosen options, before anything is set."""
        from hydra import compose

        picked = {o.key_or_group: _choice(o) for o in overrides if group_of(o.key_or_group) and _choice(o) is not None}
        variants = self._variants(overrides)
        choices = tuple(f"{group}={text(value)}" for group, value in picked.items())
        if choices not in self._chosen:
            typed = list(choices)
            if len(variants) > 1:
                typed = [f"{g}={text(v)}" for g, v in picked.items() if not g.startswith(several.GROUP)]
                typed += several.choices(variants, {group: text(value) for group, value in picked.items()})
            folders = [setting("hydra.searchpath", [f"file://{d}" for d in self.extra])] if self.extra else []
            tree = _with_room(compose("config", overrides=[*folders, *typed]))
            if len(variants) > 1 and len(named := several.names_of(picked[several.GROUP])) == 1:
                several.set_recipe(tree, named[0], self.extra)
            self._chosen[choices] = _Files(tree)
        return self._chosen[choices]


def _choice(override: Override) -> Any:
    """Returns the option, or options, of its group that an override chooses."""
    return chosen(override.value()) if override.key_or_group == BESIDE else override.value()


def _with_room(tree: Any) -> Any:
    """Makes keys settable that a file leaves out, and returns the tree.

    These are the mappings of a study, so that `study.grid={train.lr: [...]}` can be typed, and the arguments of a user's
    network, whose keys are in no file: `model.args.depth=3`.
    """
    from omegaconf import OmegaConf

    if OmegaConf.is_dict(model := tree.get("model")) and model.get("_target_") == HOST:
        if not OmegaConf.is_dict(model.get("args")):
            OmegaConf.update(model, "args", {}, force_add=True)
        OmegaConf.set_struct(model.args, False)
    if OmegaConf.is_dict(study := tree.get("study")):
        OmegaConf.set_struct(study, False)
        for key in (*MAPPINGS, "contrasts", "claims"):
            if key not in study:
                study[key] = {}
            if OmegaConf.is_dict(study[key]):
                OmegaConf.set_struct(study[key], False)
        OmegaConf.set_struct(study, True)
    return tree


def _set_path(tree: dict[str, Any], key: str, typed: str) -> None:
    group, _, last = key.rpartition(".")
    if group:
        tree[group] = {**tree[group], last: plain_path(key, typed)}
    else:
        tree[last] = plain_path(key, typed)


@contextmanager
def composer(extra: Sequence[Path] = ()) -> Iterator[Composer]:
    """Context manager that returns a Composer for conf/ and the folders `extra`.

    If there are such folders, the classes that they name may be in them or in the current folder. Raises UsageError for a
    folder that does not exist, and for an option in it that has the name of one of dropbench's own.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    folders = [d.resolve() for d in extra]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"--conf {folder}: there is no such folder; name one with files such as model/my_model.yaml"
            )
        for group in GROUPS:
            for name in options(group).keys() & {f.stem for f in (folder / group).glob("*.yaml")}:
                raise UsageError(
                    f"--conf {folder}: {group}/{name}.yaml has the name of one of dropbench's own options; rename it"
                )
    # Without folders of the user, nothing in the current folder is ever imported.
    for entry in (str(Path.cwd()), *map(str, folders)) if folders else ():
        if entry not in sys.path:
            sys.path.append(entry)
    forget_dead()
    OmegaConf.register_new_resolver("half", _half, replace=True)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield Composer(folders)


def _half(value: Any) -> Any:
    """Returns half of a rate, or of each rate in a mapping, for a study's arm; anything else is left to validation."""
    if isinstance(value, Mapping):
        return {k: _half(v) for k, v in value.items()}
    return value / 2 if isinstance(value, (int, float)) else value
