"""Tab completion of overrides, from the names in conf/ alone: it must answer before a finger leaves the key."""

from __future__ import annotations

import re

_KEY = re.compile(r"^(\w+):", re.MULTILINE)


def complete_override(incomplete: str) -> list[str]:
    """`mo` to `model=`, `model=` to `model=cnn`..., `dropout.ra` to `dropout.rate=`, ..."""
    from dropbench.config import GROUPS, conf_dir, options

    key, equals, value = incomplete.partition("=")
    if equals:
        *before, last = value.split(",")  # a sweep: complete its last value
        names = options(key) if key in GROUPS else {}
        return [f"{key}={','.join([*before, name])}" for name in names if name.startswith(last)]
    group, dot, _ = key.partition(".")
    if not dot:
        return [f"{name}=" for name in (*GROUPS, "seed", "device", "results") if name.startswith(key)]
    files = (conf_dir() / group).glob("*.yaml")
    keys = {k for file in files for k in _KEY.findall(file.read_text()) if not k.startswith(("_", "defaults", "name"))}
    return sorted(f"{group}.{k}=" for k in keys if f"{group}.{k}".startswith(key))
