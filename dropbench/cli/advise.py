"""`dropbench advise`: answers one question with one command, for users who do not know dropbench's terms."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.dry_run import DryRun
from dropbench.errors import UsageError
from dropbench.identity import given
from dropbench.values import plain

if TYPE_CHECKING:
    from dropbench.cli.outcome import Done
    from dropbench.config.compose import Composer
    from dropbench.planning.advising import Protocol
    from dropbench.planning.continuing import Course, Stage
    from dropbench.report.tables.advice import Advice, Decision
    from dropbench.report.tables.report import Report
    from dropbench.store import Store, StoredPlan, Tuned

PAGE, CONFIG = "advice.html", "advice.yaml"
_FOLDERS = re.compile(r"[/\\]")


@dataclass(frozen=True)
class Told:
    """The advice, with a command and a configuration that carry it out.

    Parameters
    ----------
    decision : str
        `use` the arm, `leave` dropout out, or `unknown`.
    arm : str
        The arm to use now.
    sentences : tuple of str
        The advice in words.
    kept, store : StoredPlan, Store
        What was compared, and the results folder that holds it.
    run : str, optional
        The id of one of the arm's runs.
    command : str, optional
        What trains the arm; None if no command line can.
    config, page : Path, optional
        The file with the arm's configuration, and the page that explains the advice with every number.
    """

    decision: Decision
    arm: str
    sentences: tuple[str, ...]
    kept: StoredPlan
    store: Store
    run: str | None = None
    command: str | None = None
    config: Path | None = None
    page: Path | None = None


class Spare(Shown):
    """Leaves out the settings that tuning found, because they only help a user who chooses the next settings."""

    def stage(self, stage: Stage, tuned: Sequence[Tuned] = ()) -> None:
        """Print which stage comes next, and of the tuning only the arms for which it found no usable setting."""
        super().stage(stage, [one for one in tuned if one.best is None or one.all_diverged])


def advise(
    overrides: Sequence[str],
    conf: Sequence[Path],
    *,
    minutes: float,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Choose what to compare, compare it for at most `minutes`, and print what to do. Return the exit code.

    Raises UsageError for what cannot be trained, and for keys that this command chooses itself.
    """
    from dropbench.config.compose import composer

    shown = Spare(quiet, as_json)
    with composer(conf) as c:
        course, done = compared(overrides, conf, c, shown, minutes=minutes, dry_run=DryRun() if dry_run else None)
    if done is None or done.code:
        return 0 if done is None else done.code
    _show(told(course, done, conf, shown), shown)
    return 0


def compared(
    overrides: Sequence[str],
    conf: Sequence[Path],
    composer: Composer,
    shown: Shown,
    *,
    minutes: float,
    dry_run: DryRun | None = None,
) -> tuple[Course, Done | None]:
    """Choose what to compare, and compare it for at most `minutes`. Return what was chosen, and the outcome unless dry_run.

    Raises UsageError as `advise` does.
    """
    from dropbench.cli.stages import looking
    from dropbench.cli.sweep import pursue
    from dropbench.config.source_hash import check_imported
    from dropbench.planning.advising import TUNING_SEEDS, fitted, protocol
    from dropbench.planning.continuing import course

    until = time.monotonic() + 60 * minutes

    def asked(chosen: Protocol) -> Course:
        return course(
            chosen.overrides,
            composer,
            tune=chosen.tune,
            tuning_seeds=TUNING_SEEDS,
            looking=looking(chosen.at_most),
        )

    chosen = protocol(overrides, composer)
    first = asked(chosen)
    for target in {target for spec in first.first.specs for target in spec.sources}:
        check_imported(target)  # a Python session may have edited it since
    chosen = _again(first, chosen) or fitted(chosen, _seconds(first), minutes, overrides)
    going = asked(chosen)
    shown.note(f"advise: {chosen}")
    return going, pursue(going, conf, shown, dry_run=dry_run, until=until)


def _seconds(course: Course) -> float:
    """Estimate how many seconds the first stage of a course would take on this machine."""
    from dropbench.cli.work import arranged
    from dropbench.execute.estimate import Durations, estimate

    plan = course.first
    work = arranged(plan.specs, plan)
    return estimate(work.cohorts, Durations(work.settings, work.device), work.workers)


def _again(course: Course, chosen: Protocol) -> Protocol | None:
    """Return the protocol of an unfinished stored plan for the same question; None if there is none.

    The plan is continued with its own epochs and seeds, because a new estimate may differ: the machine may be slower today.
    """
    from dropbench.store import Store

    mine = [text for text in chosen.overrides if not _fixed(text)]
    for plan in sorted(Store(course.first.settings.results).plans(), key=lambda p: p.created, reverse=True):
        theirs = [text for text in plan.overrides if not _fixed(text)]
        if (
            plan.study == course.first.study
            and sorted(map(_lasting, theirs)) == sorted(map(_lasting, mine))
            and plan.course
            and not plan.course.ended
        ):
            fixed = [text for text in plan.overrides if _fixed(text)]
            epochs = next((t.partition("=")[2] for t in fixed if t.startswith("train.epochs=")), None)
            looks = plan.course.rule.looks
            return replace(
                chosen,
                overrides=(*mine, *fixed),
                epochs=int(epochs) if epochs else chosen.epochs,
                at_most=looks[-1] if looks else chosen.at_most,
            )
    return None


def _fixed(override: str) -> bool:
    """Return whether an override is one that a plan keeps, whatever a new estimate of the time says."""
    return override.partition("=")[0] in ("train.epochs", "train.patience")


def _lasting(override: str) -> str:
    """Return an override without the temporary folder in which a call from Python lays its data."""
    if not given(override):
        return override
    key, _, value = override.partition("=")
    return f"{key}={_FOLDERS.split(value)[-1]}"


def told(course: Course, done: Done, conf: Sequence[Path], shown: Shown) -> Told:
    """Return the advice, and write its page and its configuration into the results folder.

    Raises UsageError if no run without dropout finished.
    """
    from dropbench.report import for_plan
    from dropbench.report.tables.advice import advice

    kept, store = done.kept, done.store
    if not any(store.finished(run) for run in kept.runs):
        over = "Cannot tell yet: the time was over before anything could be compared. Run the same command again to continue."
        return Told("unknown", str(course.first.baseline), (over,), kept, store)
    report = for_plan(store, kept)
    spec = course.first.specs[0]
    what = f"model={spec.model.name} on {spec.data.called}"
    comparison = report.comparisons[0] if report.comparisons else None
    found = None if comparison is None else advice(comparison, what)
    if found is None:
        for headline in report.headlines:
            shown.warning(headline)
        raise UsageError("no advice is possible: no run without dropout finished; dropbench report shows what happened")
    return _written(found, report, Told(found.decision, found.arm, found.sentences, kept, store, found.run), conf)


def _written(found: Advice, report: Report, told: Told, conf: Sequence[Path]) -> Told:
    from dropbench.cli.proposals import data_root, with_commands
    from dropbench.config.yaml import as_yaml
    from dropbench.planning.reproduce import commands
    from dropbench.report import write

    config, store = report.configs[found.run], told.store
    file, page = store.root / CONFIG, store.root / PAGE
    file.write_text(as_yaml({k: v for k, v in config.items() if k != "seed"}), encoding="utf-8")
    write(with_commands(report, [store.root], conf), "html", page)
    try:
        root = data_root([told.kept], told.kept.every_run)
        lines = commands([(config, [0])], str(store.root), conf, data_root=root)
    except UsageError:  # for example, a Python object as data or model cannot be typed in a command
        lines = []
    command = lines[0].replace("dropbench sweep", "dropbench train", 1) if len(lines) == 1 else None
    return replace(told, command=command, config=file, page=page)


def _show(told: Told, shown: Shown) -> None:
    if shown.as_json:
        files = {"config": told.config, "page": told.page}
        tree: dict[str, Any] = {
            name: getattr(told, name) for name in ("decision", "arm", "run", "sentences", "command")
        }
        shown.json(tree | {name: None if file is None else str(file) for name, file in files.items()})
        return
    if shown.quiet:  # the advice is printed all the same, because no other command prints it again
        for sentence in told.sentences:
            shown.out(plain(sentence))
        return
    lines = [*told.sentences, *([f"To train it: {told.command}"] if told.command else [])]
    if told.config is not None:
        lines.append(f"Its configuration is in {told.config}; the evidence, with every number, is in {told.page}")
    for line in lines:
        shown.said(plain(line))
