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


def each_study(overrides: Sequence[str], composer: Composer, *, as_json: bool = False) -> list[list[str]]:
    """The overrides of each study, where `study=` names several; else all that was typed, once.

    Raises UsageError for several with --json, which is of one.
    """
    from dropbench.config import grammar, sweeps

    places = [i for i, text in enumerate(overrides) if text.startswith("study=")]
    if len(places) != 1:
        return [list(overrides)]
    (place,) = places
    points = sweeps.expand(grammar.parse([overrides[place]]), composer.options)
    studies = [point["study"] for point in points]
    if as_json and len(studies) > 1:
        raise UsageError(
            "--json is for one study; leave it out, and afterwards type dropbench report --claims --format json"
        )
    return [[*overrides[:place], study, *overrides[place + 1 :]] for study in studies]


def carry_out_each(
    courses: Sequence[Course], carried_out: Callable[[Course], int], shown: Shown, *, dry_run: bool
) -> int:
    """Carries out one after the other, all of which were planned before any trains, and shows what they state.

    Parameters
    ----------
    courses : sequence of Course
        One a study.
    carried_out : callable
        Of a course: it trained, with the exit code.
    shown : Shown
        What hears how it goes.
    dry_run : bool
        Whether nothing trains.

    Returns
    -------
    int
        The largest of their exit codes.
    """
    if len(courses) == 1:
        return carried_out(courses[0])
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
