"""`dropbench report --confirm`: the rates and strengths that a report chose, under fresh seeds beside their baseline."""

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
    """Trains, for each comparison with a chosen rate or other strength, that one and the baseline under fresh seeds.

    Parameters
    ----------
    report : Report
        With the choice of a strength of each regularizer.
    paths : sequence of Path
        What it was made of, which must be one results folder: the runs are added to it.
    conf : sequence of Path
        The user's folders of options.
    shown : Shown
        Where the commands of the runs and their report go.

    Returns
    -------
    int
        The exit code: 1 where a run failed.

    Raises
    ------
    UsageError
        Where no strength was chosen, for several folders, and for an arm that cannot be run as it was.
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
    """The comparisons in which a strength was chosen. Raises UsageError where there are none."""
    with_choice = [c for c in report.comparisons if c.choices]
    if not with_choice and any(c.tuned for c in report.comparisons):
        raise UsageError(
            "--confirm: these arms were chosen under other seeds than this report shows, so this report already confirms them"
        )
    if not with_choice:
        raise UsageError(
            "--confirm: no rate or other strength was chosen, which takes several of one beside a baseline, such as "
            "dropout=none,standard dropout.rate=0.1,0.3,0.5, or regularizer=none,[mixup] regularizer.mixup.alpha=0.2,0.5"
        )
    beside = [c for c in with_choice if c.baseline is not None]
    if not beside:
        raise UsageError(
            "--confirm: what was chosen has no baseline to be run beside; name one, as in --baseline "
            f"'{next(label for label in with_choice[0].labels if label != with_choice[0].choices[0].chosen)}'"
        )
    chosen = [c for c in beside if not all(choice.idle for choice in c.choices)]
    if not chosen:
        tried = ", ".join(dict.fromkeys(choice.variant for c in beside for choice in c.choices))
        raise UsageError(
            f"--confirm: going without is best on validation data, so there is no strength of {tried} to run again; other "
            "strengths may be tried by the same sweep"
        )
    return chosen
