"""`dropbench report --confirm`: trains the rates and strengths that a report chose, and their baseline, under fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.report.tables.comparison import Comparison
    from dropbench.report.tables.report import Report


def confirm(report: Report, paths: Sequence[Path], conf: Sequence[Path], shown: Shown) -> int:
    """Train each chosen rate or other strength and its baseline under fresh seeds, one plan for each comparison.

    Parameters
    ----------
    report : Report
        It holds the chosen strength of each regularizer.
    paths : sequence of Path
        What the report was made from. This must be one results folder, because the runs are added to it.
    conf : sequence of Path
        The user's folders of options.
    shown : Shown
        Prints the commands of the runs and their report.

    Returns
    -------
    int
        The exit code: 1 if a run failed.

    Raises
    ------
    UsageError
        If no strength was chosen, if several folders are named, or if an arm can no longer be run as it was.
    """
    from dropbench.cli.proposals import data_root
    from dropbench.cli.sweep import carry_out
    from dropbench.config.compose import composer
    from dropbench.config.typed import command, words_of
    from dropbench.planning import confirm, reproduce
    from dropbench.planning.continuing import Course
    from dropbench.seeds import fresh
    from dropbench.store import RUNS, Store

    chosen = _to_confirm(report)
    if len(paths) > 1 or not (paths[0] / RUNS).is_dir():
        raise UsageError(
            "--confirm adds runs to one results folder: name that folder, as in dropbench report results --confirm"
        )
    code, stored = 0, Store(paths[0]).plans()
    with composer(conf) as c:
        for comparison in chosen:
            strengths = [choice.chosen for choice in comparison.choices if not choice.idle]
            labels = dict.fromkeys([comparison.baseline, *strengths])
            arms = {str(label): report.configs[comparison.run_of(str(label))] for label in labels}
            seeds = fresh([s for choice in comparison.choices for s in choice.seeds])
            runs_there = comparison.runs["run_id"].tolist()
            places = reproduce.places(str(paths[0]), data_root(stored, runs_there))
            plan, commands = confirm.plan(str(comparison.baseline), arms, seeds, places, c)
            for overrides in commands:
                shown.note(command("sweep", *words_of("--conf", conf), *overrides))
            chose = [comparison.runs_of(label) for choice in comparison.choices for label in choice.of]
            runs = dict.fromkeys(run for of_arm in chose for run in of_arm["run_id"].tolist())
            course = Course(plan, confirms=tuple(runs))
            code = max(code, carry_out(course, conf, shown))
    return code


def _to_confirm(report: Report) -> list[Comparison]:
    """Return the comparisons with a chosen strength to run beside a baseline. Raises UsageError if there are none."""
    with_choice = [c for c in report.comparisons if c.choices]
    if not with_choice and any(c.tuned for c in report.comparisons):
        raise UsageError(
            "--confirm: these arms were chosen under other seeds than this report shows, so this report already confirms them"
        )
    if not with_choice:
        raise UsageError(
            "--confirm: no rate or other strength was chosen; that needs several values of one and a baseline, such as "
            "dropout=none,standard dropout.rate=0.1,0.3,0.5, or regularizer=none,[mixup] regularizer.mixup.alpha=0.2,0.5"
        )
    beside = [c for c in with_choice if c.baseline is not None]
    if not beside:
        raise UsageError(
            "--confirm: there is no baseline to compare the choice with; name one, as in --baseline "
            f"'{next(label for label in with_choice[0].labels if label != with_choice[0].choices[0].chosen)}'"
        )
    chosen = [c for c in beside if not all(choice.idle for choice in c.choices)]
    if not chosen:
        tried = ", ".join(dict.fromkeys(choice.variant for c in beside for choice in c.choices))
        raise UsageError(
            f"--confirm: the arm without it is best on validation data, so there is no strength of {tried} to run again; "
            "type the same sweep with other strengths"
        )
    return chosen
