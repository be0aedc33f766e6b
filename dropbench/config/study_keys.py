"""Checks the keys of a study, and converts the settings of its arms to overrides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dropbench.config.paths import PATHS
from dropbench.config.study_spec import StudySpec
from dropbench.errors import UsageError, nearest

MAPPINGS = ("set", "arms", "grid")
"""The keys of a study that hold settings of runs."""
_NOT_OF_ARMS = {
    "study": "cannot be set in an arm, because an arm is a part of a study",
    "seed": "must be the same for all arms: set it once, as study.seed",
}


def check_keys(node: Mapping[str, Any]) -> None:
    """Checks that each key is a key of studies, or that such a key refers to it, directly or through other keys.

    Parameters
    ----------
    node : mapping
        The study with its interpolations unresolved: `${study.target.rate}`, or `${..target.rate}`.

    Raises
    ------
    UsageError
        For a key that has no effect, such as `seeds` for `seed`.
    """
    known = set(StudySpec.model_fields)
    read = [key for key in node if key in known]
    waiting = [key for key in node if key not in known]
    for key in read:  # the list grows during the loop
        texts = list(_interpolations(node[key]))
        found = [other for other in waiting if any(_leads_to(other, text) for text in texts)]
        read += found
        waiting = [other for other in waiting if other not in found]
    if waiting:
        raise UsageError(
            f"'study.{waiting[0]}' is not a key of a study, and no arm refers to it; {nearest(waiting[0], known)}"
        )


def overrides_of(settings: Mapping[str, Any], typed: Callable[[str, Any], str]) -> dict[str, str]:
    """Converts settings of a study to simple overrides by key.

    Parameters
    ----------
    settings : mapping
        The settings of one arm, or of all arms.
    typed : callable
        Returns the text `key=value` for a key and a value.

    Raises
    ------
    UsageError
        For `study` and `seed`, which a single arm cannot set.
    """
    for key in settings:
        if why := _NOT_OF_ARMS.get(key):
            raise UsageError(f"'{key}' {why}")
    return {key: f"{key}={value}" if key in PATHS else typed(key, value) for key, value in settings.items()}


def _leads_to(key: str, text: str) -> bool:
    return re.search(rf"(study[.\[]|\.\.){re.escape(key)}(?![\w-])", text) is not None


def _interpolations(value: Any) -> Iterator[str]:
    """Yields the texts in a value that contain an interpolation."""
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _interpolations(inner)
