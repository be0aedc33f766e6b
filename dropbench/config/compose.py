"""Finds the files of the chosen options, merges them by Hydra, and sets what was typed."""

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
from dropbench.config.specs import settings_of, spec_of, study_of
from dropbench.config.study_keys import MAPPINGS, check_keys, overrides_of
from dropbench.config.study_spec import StudySpec
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
    """One point of a grid: the spec of its run, how to run it, and the study's node where there is one."""

    spec: RunSpec
    settings: Settings
    study: StudySpec | None
    asked: tuple[str, ...] = ()
    """Metrics that were asked for by name and do not fit the task of the model."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Of metrics that have something to measure on some models and data only: what there must be."""


class _Files:
    """What the files of some options say, before anything is set: as OmegaConf holds it, and `plain`, unresolved."""

    def __init__(self, tree: Any) -> None:
        from omegaconf import OmegaConf

        self.tree = tree
        self.plain: Any = OmegaConf.to_container(tree)
        self._bytes = pickle.dumps(tree, protocol=5)

    def copy(self) -> Any:
        """A copy in which values can be set: ten times as fast as `copy.deepcopy`, of which each arm would take 4 ms."""
        return pickle.loads(self._bytes)


class Composer:
    """Composes overrides over conf/ and the user's folders. Use as `with composer(...) as c`.

    Parameters
    ----------
    extra : sequence of Path
        The user's folders of options, as absolute paths; they are looked through first.
    """

    def __init__(self, extra: Sequence[Path]) -> None:
        self.extra = tuple(extra)
        self._cache: dict[tuple[str, ...], dict[str, Any]] = {}
        self._chosen: dict[tuple[str, ...], _Files] = {}
        self._made: dict[tuple[str, ...], Composed] = {}
        """What was made of overrides but for the seed."""
        self._read: dict[str, Override] = {}
        self._fit: set[str] = set()
        """Choices of options that there are."""
        self._idle: dict[str, str] = {}
        """Keys that were typed of regularizers which some run has not, by the regularizer: see `config.regularizers`."""
        self._arms: tuple[dict[str, dict[str, Any]], str] | None = None
        self._beside: set[str] = set()
        """The regularizers that were chosen for any run."""

    def options(self, group: str) -> list[str]:
        """The names of a group's options, the user's own among them."""
        return list(options(group_of(group) or group, self.extra))

    def with_arms(self, arms: Mapping[str, Mapping[str, Any]], baseline: str) -> Composer:
        """The same, where the study that is chosen has these arms in place of its own."""
        other = copy.copy(self)
        other._made = {}
        other._arms = {name: dict(arm) for name, arm in arms.items()}, baseline
        return other

    def compose(self, overrides: Mapping[str, str]) -> Composed:
        """One point of a grid. Seeds of one setting are composed once.

        Parameters
        ----------
        overrides : mapping of str to str
            Simple overrides, such as `dropout.rate=0.5`, by their keys.

        Raises
        ------
        UsageError
            For an override that means nothing here, and for values that cannot be.
        """
        but_seed = tuple(text for key, text in overrides.items() if key != "seed")
        seed = overrides.get("seed", "").partition("=")[2]
        if but_seed in self._made and _PLAIN_SEED.fullmatch(seed):  # any other is told what it is by the whole check
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
        spec = spec_of(tree, self.extra)
        asked = tuple(tree["metric"]) if "metric" in overrides else ()
        needs = {name: str(node["needs"]) for name, node in tree["metric"].items() if "needs" in node}
        study = study_of(tree.get("study"))
        if study is not None and self._arms is not None:
            study = study.model_copy(update=dict(zip(("arms", "baseline"), self._arms, strict=True)))
        return Composed(spec, settings_of(tree), study, asked, needs)

    def check_all_met(self) -> None:
        """Raises UsageError where a key was typed of a regularizer that no run has of all that were composed."""
        for name in self._idle.keys() - self._beside:
            raise UsageError(
                f"{self._idle[name]} has no effect, since no run has this regularizer; type {BESIDE}=[{name}] beside it"
            )

    def for_all_arms(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """What the study that these overrides choose sets for all of its arms, as simple overrides by key.

        Interpolations in it stay, for what they refer to may be set by the other overrides.

        Raises
        ------
        UsageError
            For a study that cannot be read, and for a key that is no setting of an arm.
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
            tree = OmegaConf.to_container(merged, resolve=True)
        assert isinstance(tree, dict)
        check_targets(tree, self._files(parsed).plain)
        if OmegaConf.is_dict(study := merged.get("study")) and isinstance(
            node := OmegaConf.to_container(study), Mapping
        ):
            check_keys({str(key): value for key, value in node.items()})
        checked = checked_tree({str(k): v for k, v in tree.items()})
        check_budget(checked, {o.key_or_group: o.value() for o in parsed})
        names_of = {o.key_or_group: several.names_of(_choice(o)) for o in parsed if group_of(o.key_or_group)}
        if several.GROUP in names_of:
            names_of[several.GROUP] = self._variants(parsed)
        check_names(checked, names_of)
        return checked

    def _parsed(self, overrides: Sequence[str]) -> list[Override]:
        """With the options of groups looked at, and the keys of an arm's one variant as they are where it is alone."""
        for line in overrides:
            if line not in self._read:
                (self._read[line],) = parse([line])
        for line in overrides:
            if line not in self._fit and group_of((override := self._read[line]).key_or_group):
                check_choice(override, self.extra)
                self._fit.add(line)
        parsed = [copy.copy(self._read[text]) for text in overrides]  # keys of these are changed below
        if len(variants := self._variants(parsed)) == 1:
            for override in parsed:
                override.key_or_group = several.bare(override.key_or_group, variants[0])
        return parsed

    def _variants(self, overrides: Sequence[Override]) -> list[str]:
        """The arm's variants, in order."""
        typed = [o.value() for o in overrides if o.key_or_group == several.GROUP]
        return several.variants_of(several.names_of(typed[0]), self.extra) if typed else [several.USUAL]

    @contextmanager
    def _explaining(self, overrides: Sequence[Override]) -> Iterator[None]:
        """What Hydra says of these overrides, or of the files that they choose, as a sentence."""
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

        # Reading and merging the files of the chosen options costs 70 ms, so it is done once for all values that are then
        # set in what it gives, in the way in which Hydra does that.
        tree = self._files(overrides).copy()
        for override in overrides:
            if group_of(override.key_or_group) is None:
                added = override.is_add() or override.is_force_add()
                OmegaConf.update(tree, override.key_or_group, override.value(), merge=True, force_add=added)
        return tree

    def _files(self, overrides: Sequence[Override]) -> _Files:
        """What the files of the chosen options say, before anything is set."""
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
    """What an override chooses of its group."""
    return chosen(override.value()) if override.key_or_group == BESIDE else override.value()


def _with_room(tree: Any) -> Any:
    """With the mappings of a study that its file leaves out, so that they can be typed: `study.grid={train.lr: [...]}`.

    And with room in what a user's network is given, of which no file knows the keys: `model.args.depth=3`.
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
    """A Composer over conf/ and `extra`, whose folders, and the current one beside them, may also hold the classes they name.

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
                    f"--conf {folder}: {group}/{name}.yaml has the name of one of dropbench's own options; rename it"
                )
    # Without a folder of the user's nothing that lies beside a results folder is ever imported.
    for entry in (str(Path.cwd()), *map(str, folders)) if folders else ():
        if entry not in sys.path:
            sys.path.append(entry)
    forget_dead()
    OmegaConf.register_new_resolver("half", _half, replace=True)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield Composer(folders)


def _half(value: Any) -> Any:
    """Half of a rate, or of each in a mapping: the reduced arm of a study. What is no number is left to validation."""
    if isinstance(value, Mapping):
        return {k: _half(v) for k, v in value.items()}
    return value / 2 if isinstance(value, (int, float)) else value
