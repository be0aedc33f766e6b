"""A sweep over several studies: each runs like a command of its own, one after the other; the claims of all come last."""

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
    """Return the overrides of each study if `study=` names several; otherwise one item with all that was typed.

    Raises UsageError for several studies with --json, which is for one.
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
    """Carry out one course after the other, and then show the claims of their studies. All are planned before any trains.

    Parameters
    ----------
    courses : sequence of Course
        One for each study.
    carried_out : callable
        Trains a course and returns its exit code.
    shown : Shown
        Prints the progress.
    dry_run : bool
        Whether nothing is trained.

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
