"""Writes configurations as YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the pure Python dumper is fifteen times slower


class _Quoting(_Dumper):  # type: ignore[misc]
    """Quotes words that OmegaConf would read as numbers, which include words that YAML 1.1 does not, such as 1e3."""


def _string(dumper: Any, text: str) -> Any:
    try:
        float(text.replace("_", ""))
    except ValueError:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")


_Quoting.add_representer(str, _string)


def as_yaml(tree: Mapping[str, Any]) -> str:
    """Returns YAML text that OmegaConf reads back as the same plain values, in the given order."""
    text: str = yaml.dump(dict(tree), Dumper=_Quoting, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text
