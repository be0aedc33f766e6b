"""Computes the checks of a study: mathematical statements that a function verifies without training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dropbench.config.parts import function_of
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.config.study_spec import Check
    from dropbench.store import StoredCheck


def computed(checks: Mapping[str, Check]) -> dict[str, StoredCheck]:
    """Compute each check with its cases, by name. Raises UsageError for a function that is missing or returns no cases."""
    return {name: _computed(name, check) for name, check in checks.items()}


def _computed(name: str, check: Check) -> StoredCheck:
    from dropbench.store import Case, StoredCheck

    where = f"study.checks.{name}"
    function = function_of(check.target, f"{where}._target_")
    began = time.monotonic()
    cases = list(function())
    if not cases or not all(isinstance(case, Case) for case in cases):
        raise UsageError(f"{where}: {check.target} must return one Case of dropbench.store or several")
    return StoredCheck(
        says=check.says, cases=cases, number=check.number, note=check.note, seconds=time.monotonic() - began
    )
