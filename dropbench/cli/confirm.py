"""`dropbench report --confirm`: trains the arms that a report chose, and their baseline, under fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.cli.console import Shown
    from dropbench.cli.dry_run import DryRun
    from dropbench.report.tables.comparison import Comparison
    from dropbench.report.tables.report import Report


def confirm(
    report: Report, paths: Sequence[Path], conf: Sequence[Path], shown: Shown, *, dry_run: DryRun | None = None
) -> int:
    """Train each chosen arm and its baseline under fresh seeds, one plan for each comparison.

    Parameters
    ----------
    report : Report
        It holds the chosen strength of each regularizer; of a comparison without one, the arm with the best validation score is
        trained.
    paths : sequence of Path
        What the report was made from. This must be one results folder, because the runs are added to it.
    conf : sequence of Path
        The user's folders of options.
    shown : Shown
        Prints the commands of the runs and their report.
    dry_run : DryRun or None
        If given, say what would be trained, and stop.

    Returns
    -------
    int
        The exit code: 1 if a run failed.

    Raises
    ------
    UsageError
        If no arm was chosen, if several folders are named, or if no comparison can be run again as it was. If only some cannot,
        for example because their data were a Python object, a warning says so, and the others are trained.
    """
    from dropbench.cli.proposals import data_root
    from dropbench.cli.sweep import carry_out
    from dropbench.config.compose import composer
    from dropbench.config.typed import command, words_of
    from dropbench.planning import confirm, reproduce
    from dropbench.planning.continuing import Course
    from dropbench.report.tables.repeats import to_repeat
    from dropbench.seeds import fresh
    from dropbench.store import RUNS, Store

    chosen = _to_confirm(report)
    if len(paths) > 1 or not (paths[0] / RUNS).is_dir():
        raise UsageError(
            "--confirm adds runs to one results folder: name that folder, as in dropbench report results --confirm"
        )
    code, stored = 0, Store(paths[0]).plans()
    planned: list[tuple[Course, list[list[str]]]] = []
    refused: list[tuple[str, UsageError]] = []
    with composer(conf) as c:
        for comparison in chosen:
            labels = [str(comparison.baseline), *to_repeat(comparison)]
            arms = {label: report.configs[comparison.run_of(label)] for label in labels}
            runs, seeds = _deciding(comparison)
            runs_there = comparison.runs["run_id"].tolist()
            places = reproduce.places(str(paths[0]), data_root(stored, runs_there))
            try:
                plan, commands = confirm.plan(str(comparison.baseline), arms, fresh(seeds), places, c)
            except UsageError as why:
                refused.append((comparison.title, why))
                continue
            planned.append((Course(plan, confirms=runs), commands))
        if not planned:
            raise refused[0][1]
        for title, reason in refused:
            shown.warning(f"not confirmed: {title}: {str(reason).removeprefix('--confirm: ')}")
        for course, commands in planned:
            for overrides in commands:
                shown.note(command("sweep", *words_of("--conf", conf), *overrides))
            code = max(code, carry_out(course, conf, shown, dry_run=dry_run))
    return code


def _deciding(c: Comparison) -> tuple[tuple[str, ...], list[int]]:
    """Return the runs that decided which arms are trained again, and the seeds under which these were compared."""
    labels = {label for choice in c.choices for label in choice.of} or set(c.labels)
    runs = c.runs[c.runs["label"].isin(labels)]
    seeds = {seed for choice in c.choices for seed in choice.seeds} or {int(s) for s in runs["seed"].tolist()}
    return tuple(sorted(set(runs["run_id"].tolist()))), sorted(seeds)


def _to_confirm(report: Report) -> list[Comparison]:
    """Return the comparisons with an arm to run again beside a baseline. Raises UsageError if there are none."""
    from dropbench.report.tables.repeats import to_repeat

    if chosen := [c for c in report.comparisons if to_repeat(c)]:
        return chosen
    asking = [c for c in report.comparisons if not c.fresh]
    if not asking:
        raise UsageError(
            "--confirm: these runs are under fresh seeds already; leave out the filter, and all runs are shown"
        )
    if any(c.tuned for c in asking):
        raise UsageError(
            "--confirm: these arms were chosen under other seeds than this report shows, so its verdicts are about fresh seeds "
            "already; where they cannot tell, add seeds to the sweep, as --until-settled does"
        )
    if all(len(c.arms) < 2 for c in asking):
        raise UsageError(
            "--confirm: there is a single arm, so nothing was chosen; an example: dropbench sweep study=three_arm"
        )
    beside = [c for c in asking if c.baseline is not None and c.measure is not None]
    if not beside:
        best = {choice.chosen for choice in asking[0].choices}
        example = next((label for label in asking[0].labels if label not in best), asking[0].labels[0])
        raise UsageError(
            f"--confirm: there is no baseline to compare the choice with; name one, as in --baseline '{example}'"
        )
    tried = ", ".join(dict.fromkeys(choice.variant for c in beside for choice in c.choices)) or "the other arms"
    raise UsageError(
        f"--confirm: {beside[0].baseline} is best on validation data, so there is nothing of {tried} to run again; "
        "type the same sweep with other strengths"
    )
