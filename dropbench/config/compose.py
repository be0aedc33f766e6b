"""Finds the files of the chosen options, merges them by Hydra, and sets what was typed."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropbench.config.explain import explained
from dropbench.config.options import GROUPS, KEYS, conf_dir, options
from dropbench.config.specs import settings_of, spec_of, study_of
from dropbench.errors import UsageError, nearest
from dropbench.spec import RunSpec, Settings, StudySpec


@dataclass(frozen=True)
class Composed:
    """One point of a grid: the spec of its run, how to run it, and the study's node where there is one."""

    spec: RunSpec
    settings: Settings
    study: StudySpec | None


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
        self._chosen: dict[tuple[str, ...], Any] = {}

    def options(self, group: str) -> list[str]:
        """The names of a group's options, the user's own among them."""
        return list(options(group, self.extra))

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
        rest = tuple(text for key, text in overrides.items() if key != "seed")
        if rest not in self._cache:
            self._cache[rest] = self._tree(rest)
        tree = dict(self._cache[rest])
        if "seed" in overrides:
            tree["seed"] = overrides["seed"].partition("=")[2]
        return Composed(spec_of(tree, self.extra), settings_of(tree), study_of(tree.get("study")))

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
            raise explained(overrides, error, self.extra, self._hydra) from error
        assert isinstance(tree, dict)
        named = {str(k): v for k, v in tree.items()}
        if unknown := [key for key in named if key not in KEYS]:
            raise UsageError(f"'{unknown[0]}' is not a key here; {nearest(unknown[0], KEYS)}")
        return named

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
