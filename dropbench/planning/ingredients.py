"""What a setting that a search draws is made of: its variants, its regularizers, and the keys that are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropbench.identity import BESIDE, OFF

DROPOUT = "dropout"
_OF_ALL = ("rates", "schedule")
"""What comes after `dropout.` and has keys of its own, but is no variant."""
_NONE_OF_MODEL = {"model.batch_norm": "none", "model.norm": "none", "model.skip": False}
_AT_SHORTCUTS = {"stochastic_depth", "shake_drop", "shake_shake"}
"""Variants that act beside shortcuts alone."""


def joined(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample with the settings of each mapping in its place; where several say something of one key, the last one does.

    Lists that several of them say, as of `regularizer`, are joined; a list without any variant is `none`.
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
    """Whether a key is of a regularizer, or of one of several variants, that is not chosen in a setting that chooses."""
    group, *names = key.split(".")
    if group not in setting or not names:
        return False
    if group == BESIDE:
        return names[0] not in setting[BESIDE]
    return group == DROPOUT and len(names) > 1 and names[0] not in (*_OF_ALL, *_variants(setting))


def met(sample: Mapping[str, Any]) -> dict[str, Any]:
    """The setting of a sample: without what is drawn for what is not chosen in it."""
    setting = joined(sample)
    return {key: value for key, value in setting.items() if not absent(key, setting)}


def without_each(setting: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A setting less each of its regularizers, by the name of what it lacks: dropout, those beside, keys of `train`, norms.

    Of several variants each is left out by itself. With shortcuts goes what acts on them.
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
    """A setting without what is off."""
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
    """A setting with these of its variants."""
    if variants:
        return met({**setting, DROPOUT: variants})
    return {**{k: v for k, v in setting.items() if not k.replace("/", ".").startswith(DROPOUT)}, DROPOUT: "none"}


def _off() -> dict[str, Any]:
    """The values of keys at which they are no regularizer."""
    return {f"train.{name}": value for name, value in OFF.items() if not isinstance(value, Mapping)} | _NONE_OF_MODEL
