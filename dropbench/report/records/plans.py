"""Finds the stored plans of the named folders and studies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dropbench.errors import UsageError, nearest
from dropbench.report.records.load import RUN_SOMETHING
from dropbench.store import RUNS, Store, StoredPlan
from dropbench.values import count, plain


def roots_of(paths: Sequence[Path]) -> list[Path]:
    """Returns the results folders that hold these paths; `results` if there are no paths."""
    named = [Path(p) for p in paths] or [Path("results")]
    return list(dict.fromkeys(p if os.path.isdir(p / RUNS) else p.parent.parent for p in named))


def plans_of(paths: Sequence[Path]) -> list[StoredPlan]:
    """Returns the plans in the results folders of these paths, oldest first in each folder."""
    return [plan for root in roots_of(paths) for plan in Store(root).plans()]


def of_studies(studies: Sequence[str], plans: Sequence[StoredPlan], paths: Sequence[Path]) -> list[StoredPlan]:
    """Returns the plans of these studies among all plans of these paths. Raises UsageError for a study without a plan."""
    names = {plain(plan.study) for plan in plans if plan.study}
    for study in studies:
        if study not in names:
            unread = [skipped for root in roots_of(paths) for skipped in Store(root).unread_plans()]
            if unread:
                hint = (
                    f"{count(len(unread), 'plan')} cannot be read, such as {unread[0].path} ({unread[0].reason}): type the "
                    "same sweep again, which trains no finished run again and writes its plan anew"
                )
            else:
                hint = nearest(study, names) if names else f"no study has been run here; {RUN_SOMETHING}"
            raise UsageError(f"study={study}: no plan of that study is stored; {hint}")
    return [plan for plan in plans if plan.study in studies]
