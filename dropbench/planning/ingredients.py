"""The ingredients of a setting that a search draws: its variants, its regularizers, and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropbench.identity import BESIDE, OFF

DROPOUT = "dropout"
_OF_ALL = ("rates", "schedule")
"""Words after `dropout.` that have keys below them, but are no variants."""
_NONE_OF_MODEL = {"model.batch_norm": "none", "model.norm": "none", "model.skip": False}
_AT_SHORTCUTS = {"stochastic_depth", "shake_drop", "shake_shake"}
"""Variants that act only on branches parallel to shortcuts."""


def joined(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a sample in which each mapping is replaced by its entries. If several give the same key, the last one wins.

    But lists for the same key, such as `regularizer`, are joined; an empty list of variants becomes `none`.
    """
    found: dict[str, Any] = {}
    for key, value in sample.items():
        for name, one in value.items() if isinstance(value, Mapping) else ((key, value),):
            before = found.get(name)
            found[name] = [*before, *one] if isinstance(one, list) and isinstance(before, list) else one
    if found.get(DROPOUT) == []:
        found[DROPOUT] = "none"
    return found


def absent(key: str, setting: Mapping[str, Any]) -> bool:
    """Returns whether a key belongs to a regularizer or variant that the setting does not choose, though it chooses others."""
    group, *names = key.split(".")
    if group not in setting or not names:
        return False
    if group == BESIDE:
        return names[0] not in setting[BESIDE]
    return group == DROPOUT and len(names) > 1 and names[0] not in (*_OF_ALL, *_variants(setting))


def met(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the setting of a sample, without values that were drawn for parts that it does not choose."""
    setting = joined(sample)
    return {key: value for key, value in setting.items() if not absent(key, setting)}


def without_each(setting: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns a setting without each of its regularizers, by name: dropout, other regularizers, keys of `train`, norms.

    Of several variants each is left out by itself. If shortcuts are left out, so are the variants that act on them.
    """
    found = _without_dropout(setting)
    for name in setting.get(BESIDE) or ():
        found[name] = met({**setting, BESIDE: [other for other in setting[BESIDE] if other != name]})
    off = _off()
    for key in (k for k in off if setting.get(k, off[k]) != off[k]):
        kept = setting if key != "model.skip" else _without_branches(setting)
        found[key.partition(".")[2]] = {**kept, key: off[key]}
    return found


def plain(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a setting without keys whose value means off."""
    off = {**_off(), BESIDE: []}
    return {k: v for k, v in setting.items() if k not in off or v != off[k]}


def _variants(setting: Mapping[str, Any]) -> list[str]:
    chosen = setting.get(DROPOUT, "none")
    return list(chosen) if isinstance(chosen, list | tuple) else [] if chosen == "none" else [str(chosen)]


def _without_dropout(setting: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    variants = _variants(setting)
    if len(variants) < 2:
        return {DROPOUT: _with(setting, [])} if variants else {}
    return {name: _with(setting, [other for other in variants if other != name]) for name in variants}


def _without_branches(setting: Mapping[str, Any]) -> dict[str, Any]:
    variants = _variants(setting)
    kept = [name for name in variants if name not in _AT_SHORTCUTS]
    rest = {k: v for k, v in setting.items() if k != "model.two_branches"}
    return rest if kept == variants else _with(rest, kept)


def _with(setting: Mapping[str, Any], variants: list[str]) -> dict[str, Any]:
    """Returns a setting with only these of its variants."""
    if variants:
        return met({**setting, DROPOUT: variants})
    return {**{k: v for k, v in setting.items() if not k.replace("/", ".").startswith(DROPOUT)}, DROPOUT: "none"}


def _off() -> dict[str, Any]:
    """Returns the values at which keys mean no regularizer."""
    return {f"train.{name}": value for name, value in OFF.items() if not isinstance(value, Mapping)} | _NONE_OF_MODEL
