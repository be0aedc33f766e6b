"""Makes the commands that repeat a stored configuration. It reads conf/ as YAML: a report must not load Hydra or torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dropbench import identity
from dropbench.config.options import conf_dir, group_of, options
from dropbench.config.paths import path_setting
from dropbench.config.typed import command, setting, words_of
from dropbench.config.typed import text as as_text
from dropbench.errors import UsageError
from dropbench.identity import BESIDE, HOST, PATH, code, given
from dropbench.planning.grids import Point, as_grids
from dropbench.seeds import typed as typed_seeds
from dropbench.values import flatten, written

NOT_SET = ("name", "_target_", "version")
"""Last words of keys that follow from the chosen option."""

_DEFAULTS = {
    "model": "mlp",
    "data": "digits",
    "dropout/schedule": "constant",
    "train": "default",
}
"""Options that are not written; the variant is always written."""
_RATES = re.compile(r"dropout\.(?:[^.]+\.)?rates")
_METRICS = (["loss", "accuracy"], ["loss", "rmse", "r2"])
"""The default metrics, for classes and for numbers."""


def overrides(config: Mapping[str, Any], extra: Sequence[Path] = ()) -> list[str]:
    """Returns the overrides, without the seed, for a stored configuration: everything that differs from its options' defaults.

    extra: the user's folders of options. Raises UsageError for an option that no longer exists, or has another version now.
    """
    if given(str(config["data"]["name"])) or given(str(config["data"].get(PATH) or "")):
        raise UsageError("the data were given as a Python object, which cannot be typed in a command")
    if given(code(config["model"].get("_target_", ""), config["model"])):
        raise UsageError("the model was given as a Python object, which cannot be typed in a command")
    variants = {str(v["name"]): str(v.get("schedule", {}).get("name", "constant")) for v in identity.variants(config)}
    several = len(variants) > 1
    chosen: dict[str, Any] = {
        "model": str(config["model"]["name"]),
        "data": str(config["data"]["name"]),
        "dropout": list(variants) if several else next(iter(variants)),
        **{f"dropout/{name}/schedule" if several else "dropout/schedule": s for name, s in variants.items()},
        "train": str(config["train"].get("name", "default")),
    }
    usual: dict[str, Any] = {"eval": _yaml(conf_dir() / "config.yaml")["eval"]}
    usual |= {group: _option(group, chosen[group], tuple(extra)) for group in ("model", "data", "train")}
    nodes = {
        name: _option("dropout", name, tuple(extra)) | {"schedule": _option("dropout/schedule", s, tuple(extra))}
        for name, s in variants.items()
    }
    usual["dropout"] = nodes if several else next(iter(nodes.values()))
    usual["metric"] = {k: v for name in config["metric"] for k, v in _option("metric", name, tuple(extra)).items()}
    default, stored = leaves(usual, ()), leaves({k: v for k, v in config.items() if k != BESIDE}, ())
    if config["model"].get("_target_") == HOST:  # the arguments of a user's network have arbitrary keys
        stored = {key: value for key, value in stored.items() if not key.startswith("model.args.")}
        stored["model.args"] = dict(config["model"].get("args") or {})
    for key in (k for k in stored if k.endswith(".version") and stored[k] != default.get(k, 1)):
        raise UsageError(
            f"{key} is {default.get(key, 1)} now and was {stored[key]}: the run cannot be repeated as it was"
        )
    if config.get("eval", {}).get("mode") == "deterministic":
        stored.pop("eval.passes", None)  # unused in this mode, and null in a record
    options_typed = {
        key: as_text(value) for key, value in chosen.items() if value != _DEFAULTS.get(group_of(key) or key)
    }
    if (metrics := list(config["metric"])) not in _METRICS:
        options_typed["metric"] = as_text(metrics)
    differing = {}
    for key, value in stored.items():
        # A key that is in no file cannot be set: it is a default of the code.
        if key.rpartition(".")[2] not in NOT_SET and key in default and default[key] != value:
            differing[key] = value
    return [
        *(f"{group}={name}" for group, name in options_typed.items()),
        *(setting(key, value) for key, value in differing.items()),
        *_beside(config.get(BESIDE) or {}, tuple(extra)),
    ]


def _beside(regularizers: Mapping[str, Mapping[str, Any]], extra: tuple[Path, ...]) -> list[str]:
    """Returns the overrides for stored regularizers. Strengths are always written, and a schedule is a single value."""
    words = [f"{BESIDE}={as_text(list(regularizers))}"] if regularizers else []
    for name, stored in regularizers.items():
        usual = _option(BESIDE, name, extra)[name]
        schedule = stored.get("schedule") or {"name": "constant"}
        usual_schedule = _option("dropout/schedule", str(schedule["name"]), extra)
        for part, now, then in ((name, usual, stored), (f"{name}.schedule", usual_schedule, schedule)):
            if (is_now := now.get("version", 1)) != (was := then.get("version", 1)):
                raise UsageError(
                    f"{BESIDE}.{part}.version is {is_now} now and was {was}: the run cannot be repeated as it was"
                )
        for key, value in stored.items():
            if (
                key not in (*NOT_SET, "schedule")
                and key in usual
                and (key == stored["strength"] or usual[key] != value)
            ):
                words.append(setting(f"{BESIDE}.{name}.{key}", value))
        if schedule["name"] != "constant":
            given = {key: value for key, value in schedule.items() if key not in NOT_SET}
            typed = {"name": schedule["name"], **given} if given else schedule["name"]
            words.append(setting(f"{BESIDE}.{name}.schedule", typed))
    return words


def commands(
    steps: Sequence[tuple[Mapping[str, Any], Sequence[int]]],
    results: str,
    extra: Sequence[Path] = (),
    *,
    data_root: str | None = None,
    options: Sequence[str] = (),
) -> list[str]:
    """Returns the commands that run these stored configurations under their seeds; arms that form a grid share a command.

    Parameters
    ----------
    steps : sequence
        Configurations, each with its seeds.
    results : str
        The folder for the results.
    extra : sequence of Path
        The user's folders of options.
    data_root : str or None
        The folder of the data, if one was typed.
    options : sequence of str
        Options of the sweep, such as `--tune` and its values. Keys that they decide are left out of the configurations.

    Raises
    ------
    UsageError
        As `overrides` does.
    """
    grids: dict[tuple[str, ...], list[Point]] = {}
    for config, seeds in steps:
        typed_again = decided([*overrides(config, extra), typed_seeds(seeds)], options) + places(results, data_root)
        first, *others = identity.variants(config)
        beside, rest = [], []
        for text in typed_again:
            key, _, value = text.partition("=")
            if key.startswith(f"{BESIDE}."):
                beside.append((key, value))
            elif key not in ("dropout", "dropout.rate", BESIDE):
                rest.append(text)
        named, common = as_text(first["name"]), ""
        if others:  # the rates of several variants stay in the rest
            named = as_text([first["name"], *(v["name"] for v in others)])
        elif first["name"] != "none" and first.get("rate") is not None:
            common = written(first["rate"])
        point = Point(named, common, tuple(config.get(BESIDE) or ()), tuple(beside))
        grids.setdefault(tuple(rest), []).append(point)
    return [
        sweep([*arm, *rest], extra, options)
        for rest, points in grids.items()
        for arm in as_grids(list(dict.fromkeys(points)))
    ]


def sweep(overrides: Sequence[str], extra: Sequence[Path] = (), options: Sequence[str] = ()) -> str:
    """Returns a sweep as one line for a shell. Raises UsageError for what cannot be typed."""
    return command("sweep", *words_of("--conf", extra), *overrides, *options)


def places(results: str, data_root: str | None) -> list[str]:
    """Returns the overrides for folders that differ from the default ones."""
    typed = [path_setting("results", results)] * (results != "results")
    return typed + ([] if data_root is None else [path_setting("data.root", data_root)])


def decided(overrides: Sequence[str], options: Sequence[str]) -> list[str]:
    """Returns overrides without keys that options decide: tuned keys, and seeds of a sweep that takes as many as it needs."""
    tuned = {option.partition("=")[0] for option in options if "=" in option}
    left_out = tuned | ({"seed"} if "--until-settled" in options else set())
    return [text for text in overrides if text.partition("=")[0] not in left_out]


def leaves(config: Mapping[str, Any], but: Sequence[str] = NOT_SET) -> dict[str, Any]:
    """Returns the settable values of a configuration, by key. Rates stay one mapping, because site names contain dots."""
    flat = flatten(config)
    whole = {key: dict(value or {}) for key, value in flat.items() if _RATES.fullmatch(key)}
    return {k: v for k, v in flat.items() if k.rpartition(".")[2] not in but and k != "seed" and k not in whole} | whole


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what distinguishes a configuration, by the keys of the command line: `model: mlp`, `dropout.rate: 0.5`."""
    variants = identity.variants(config)
    names = [v["name"] for v in variants]
    chosen = {"model": config["model"]["name"], "dropout": names if len(names) > 1 else names[0]}
    chosen |= {group: config[group]["name"] for group in ("data", "train")}
    for variant in variants:
        key = f"dropout.{variant['name']}.schedule" if len(names) > 1 else "dropout.schedule"
        chosen[key] = variant["schedule"]["name"]
    return {**chosen, **leaves(config), "seed": config["seed"]}


@cache
def _option(group: str, name: str, extra: tuple[Path, ...]) -> dict[str, Any]:
    """Returns an option's keys, including those of the parts that its file names under `defaults`."""
    file = options(group, extra).get(name)
    if file is None:
        raise UsageError(f"{group}={name}: this option does not exist any more")
    own = _yaml(file)
    parts = [p for p in own.pop("defaults", []) if isinstance(p, str) and p != "_self_"]
    whole: dict[str, Any] = {}
    for part in parts:
        files = [folder / group / f"{part}.yaml" for folder in (*extra, conf_dir())]
        whole |= next((_yaml(file) for file in files if file.is_file()), {})
    return whole | own


def _yaml(file: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    tree: Any = OmegaConf.to_container(OmegaConf.load(file))
    return {str(key): value for key, value in tree.items()}
