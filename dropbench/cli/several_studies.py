"""A sweep over several studies: one after the other, each a command of its own, with all that they state in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.console import Shown
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.planning.continuing import Course


def each_study(overrides: Sequence[str], composer: Composer) -> list[list[str]]:
    """The overrides of each study, where `study=` names several; else all that was typed, once."""
    from dropbench.config import grammar, sweeps

    places = [i for i, text in enumerate(overrides) if text.startswith("study=")]
    if len(places) != 1:
        return [list(overrides)]
    (place,) = places
    points = sweeps.expand(grammar.parse([overrides[place]]), composer.options)
    studies = [point["study"] for point in points]
    return [[*overrides[:place], study, *overrides[place + 1 :]] for study in studies]


def carry_out_each(
    each: Sequence[Sequence[str]],
    asked_for: Callable[[Sequence[str]], Course],
    carried_out: Callable[[Course], int],
    shown: Shown,
    *,
    dry_run: bool,
) -> int:
    """Plans all of them before any trains, carries out one after the other, and shows what they state.

    Parameters
    ----------
    each : sequence of sequence of str
        The overrides of each study.
    asked_for, carried_out : callable
        Of one study: its course, and that trained, with the exit code.
    shown : Shown
        What hears how it goes.
    dry_run : bool
        Whether nothing trains.

    Returns
    -------
    int
        The largest of their exit codes.

    Raises
    ------
    UsageError
        For one that cannot be planned, and for --json, which is of one.
    """
    if shown.as_json:
        raise UsageError(
            "--json is for one study; leave it out, and afterwards type dropbench report --claims --format json"
        )
    courses = [asked_for(one) for one in each]
    code = 0
    for place, course in enumerate(courses, 1):
        shown.note(f"study {place} of {len(courses)}, {course.first.study}:")
        code = max(code, carried_out(course))
    if not dry_run:
        folders = dict.fromkeys(Path(course.first.settings.results) for course in courses)
        stating = [str(c.first.study) for c in courses if c.first.claims or c.first.checks or c.first.programs]
        if stating and not shown.quiet:
            from dropbench.report import claims, show

            show(claims(list(folders), [f"study={','.join(stating)}"]), shown.console)
    return code
