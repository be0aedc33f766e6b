"""Tab completion of overrides. It reads only the names in conf/, because it must answer without a noticeable delay."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import typer

_KEY = re.compile(r"^(\w+):", re.MULTILINE)


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete `mo` to `model=`, `model=` to `model=cnn`..., `dropout.ra` to `dropout.rate=`, ..., also from --conf."""
    conf = [Path(folder) for folder in ctx.params.get("conf") or ()]
    # bash splits words at `=`: `model=c` arrives as `model`, `=`, `c`, and without the `=` if nothing follows it.
    typed: list[str] = ctx.params.get("overrides") or []
    before, last = ["", "", *typed][-2:]
    key = before if last == "=" else last
    if last and "=" not in key:
        return [override.partition("=")[2] for override in completions(f"{key}={incomplete}", conf)]
    return completions(incomplete, conf)


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
