"""Tab completion. It reads only the names in conf/ and of stored runs, because it must answer without a noticeable delay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import typer

_KEY = re.compile(r"^(\w+):", re.MULTILINE)

FORMATS = ("csv", "html", "json", "latex", "markdown", "parquet", "rich", "verdict")
ABOUT = ("examples", "pool")
TABLES = ("arms", "chosen", "contrasts", "differences", "gradients", "outcomes", "table")
STATUSES = ("completed", "diverged", "failed")
PRUNED = ("failed", "unreadable", "leftovers", "set-aside", "plans", "ended", "jobs")
_OPTIONS = ("variants", "recipes", "schedules", "regularizers", "models", "training", "data", "studies", "metrics")
SECTIONS = (*_OPTIONS, "sites", "columns")
"""Words that options take. They are written here again, because where they are defined pandas is imported; a test compares."""


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete `mo` to `model=`, `model=` to `model=cnn`..., `dropout.ra` to `dropout.rate=`, ..., also from --conf."""
    return _as_split(ctx, "overrides", incomplete, completions)


def complete_setting(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the value of an option that is an override."""
    return completions(incomplete, _conf(ctx))


def complete_filter(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a filter as an override, `status=f` to `status=failed`, and the beginning of a results folder."""
    return _as_split(ctx, "arguments", incomplete, _filters)


def complete_key(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a setting, without `=`."""
    return [word.removesuffix("=") for word in _as_split(ctx, "", incomplete, completions) if word.endswith(("=", "."))]


def complete_metric(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a metric."""
    from dropbench.config.options import options

    return [name for name in options("metric", _conf(ctx)) if name.startswith(incomplete)]


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a stored run."""
    return [name for kind in ("runs", "failed") for name in _inside(ctx, kind) if name.startswith(incomplete)]


def complete_job(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a job."""
    return [name for name in _inside(ctx, "jobs") if name.startswith(incomplete)]


def one_of(words: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a function that completes one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _inside(ctx: typer.Context, kind: str) -> list[str]:
    """Return the names in a folder of the results folder that was typed."""
    folder = Path(str(ctx.params.get("results") or "results"), kind)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _filters(incomplete: str, conf: list[Path]) -> list[str]:
    """Return the filters and the results folders that begin with this text."""
    key, equals, value = incomplete.partition("=")
    if equals and key == "status":
        return [f"status={word}" for word in STATUSES if word.startswith(value)]
    found = [word for word in completions(incomplete, conf) if word not in ("results=", "device=", "execute=")]
    parent, _, name = incomplete.rpartition("/")
    here = Path(parent or ("/" if incomplete.startswith("/") else "."))
    folders = [path for path in here.iterdir() if path.name.startswith(name)] if not equals and here.is_dir() else []
    found += [
        f"{parent}/{path.name}" if "/" in incomplete else path.name for path in folders if (path / "runs").is_dir()
    ]
    return [*found, *(word for word in ("status=",) if not equals and word.startswith(incomplete))]


def _conf(ctx: typer.Context) -> list[Path]:
    return [Path(folder) for folder in ctx.params.get("conf") or ()]


def _as_split(
    ctx: typer.Context, argument: str, incomplete: str, find: Callable[[str, list[Path]], list[str]]
) -> list[str]:
    """Return what completes the text, for shells that break words at `=` too. argument: the one that takes these words."""
    conf = _conf(ctx)
    # bash splits words at `=`: `model=c` arrives as `model`, `=`, `c`, and without the `=` if nothing follows it.
    typed: list[str] = ctx.params.get(argument) or []
    before, last = ["", "", *typed][-2:]
    key = before if last == "=" else last
    if last and "=" not in key:
        return [override.partition("=")[2] for override in find(f"{key}={incomplete}", conf)]
    return find(incomplete, conf)


def completions(incomplete: str, conf: list[Path]) -> list[str]:
    """Return the overrides that begin with this text. conf: the user's folders of options."""
    from dropbench.config.options import GROUPS, KEYS, conf_dir, group_of, options
    from dropbench.config.several import GROUP, OWN_RATES, RECIPE, variant_in

    key, equals, value = incomplete.partition("=")
    if equals:
        *before, last = value.split(",")  # a sweep: complete its last value
        chosen = group_of(key)
        names = list(options(chosen, conf)) if chosen else []
        if key == GROUP:
            names = [*names, OWN_RATES, *options(RECIPE, conf)]
        return [f"{key}={','.join([*before, name])}" for name in names if name.startswith(last)]
    if "." not in key:
        first = [name for name in dict.fromkeys((*GROUPS, *KEYS)) if name.startswith(key)]
        return [f"{name}." if name == "eval" else f"{name}=" for name in first]
    group = key.rpartition(".")[0]
    held = group.replace(".", "/")
    if (variant := variant_in(key)) in options(GROUP, conf):  # one of several combined variants
        held = held.replace(f"/{variant}", "", 1)
    folders = {file.parent for file in options(held, conf).values()}
    texts = [file.read_text(encoding="utf-8", errors="replace") for folder in folders for file in folder.glob("*.yaml")]
    if group == "eval":  # not a folder, but a node at the end of config.yaml
        node = (conf_dir() / "config.yaml").read_text(encoding="utf-8").partition("\neval:")[2]
        texts = [dedent(node.partition("\n")[2])]
    keys = {k for text in texts for k in _KEY.findall(text) if k not in ("name", "version", "defaults", "_target_")}
    return sorted(f"{group}.{k}=" for k in keys if f"{group}.{k}".startswith(key))
