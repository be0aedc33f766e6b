"""`dropbench advise`: answers one question with one command, for users who do not know dropbench's terms."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.advised_before import before, stem, trained_in
from dropbench.cli.console import Shown
from dropbench.cli.dry_run import DryRun
from dropbench.errors import Interrupted, UsageError
from dropbench.values import plain

if TYPE_CHECKING:
    from dropbench.cli.outcome import Done
    from dropbench.config.compose import Composer
    from dropbench.planning.advising import Protocol
    from dropbench.planning.continuing import Course, Stage
    from dropbench.report.tables.advice import Advice, Decision
    from dropbench.report.tables.beside import Beside
    from dropbench.report.tables.comparison import Comparison
    from dropbench.report.tables.enough import Budget
    from dropbench.report.tables.report import Report
    from dropbench.store import Store, StoredPlan, Tuned

_AT_ONCE = "--minutes 0.1"
"""The shortest time: nothing more is trained, and the advice is what the finished runs say."""


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
    beside : Beside, optional
        A difference on another measure than the one that decided.
    next : str
        What to type now to settle an open question, in a few words; empty if it is settled.
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
    beside: Beside | None = None
    next: str = ""
    command: str | None = None
    config: Path | None = None
    page: Path | None = None


class Spare(Shown):
    """Leaves out what only helps a user who chooses the next settings, and what the advice itself says better."""

    def stage(self, stage: Stage, tuned: Sequence[Tuned] = ()) -> None:
        """Print which stage comes next, and of the tuning only the arms for which it found no usable setting."""
        super().stage(stage, [one for one in tuned if one.best is None or one.all_diverged])

    def time_over(self, left: str) -> None:
        """Print it without proposing to continue: the advice says whether more seeds could settle anything."""
        self.note(f"the time is over: {left}")


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
    if done is None:
        return 0
    found = told(course, done, conf, shown)
    if found is not None:
        _show(found, shown)
    return done.code


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
    from dropbench.cli.stages import answered, looking, resumed
    from dropbench.cli.sweep import pursue
    from dropbench.config.source_hash import check_imported
    from dropbench.planning.advising import TUNING_SEEDS, WIDEN, fitted, protocol
    from dropbench.planning.continuing import course

    until = time.monotonic() + 60 * minutes

    def asked(chosen: Protocol) -> Course:
        looks = looking(chosen.at_most, answered)
        told = course(
            chosen.overrides, composer, tune=chosen.tune, tuning_seeds=TUNING_SEEDS, widen=WIDEN, looking=looks
        )
        return resumed(told)

    def carried_out(chosen: Protocol) -> tuple[Course, Done | None]:
        shown.note(f"advise: {chosen}")
        going = asked(chosen)
        try:
            return going, pursue(going, conf, shown, dry_run=dry_run, until=until)
        except Interrupted as stopped:
            text = f"{stopped}; for advice from what is stored so far, add {_AT_ONCE}"
            raise Interrupted(text, stopped.code) from None

    unfitted = protocol(overrides, composer)
    first = asked(unfitted)
    for target in {target for spec in first.first.specs for target in spec.sources}:
        check_imported(target)  # a Python session may have edited it since
    known = before(first, unfitted, overrides)
    if known is not None and (known.settled or not known.ended):
        going, done = carried_out(known.protocol)
    else:
        fitting = fitted(unfitted, _seconds(first), minutes, overrides)
        going, done = carried_out(fitting if known is None else known.larger(fitting, 60 * minutes) or known.protocol)
    if done is not None and known is not None and not known.ended:
        # What was left of an earlier, shorter comparison may be over long before the time is.
        ended, left = before(first, unfitted, overrides), until - time.monotonic()
        if ended is not None and ended.ended and not ended.settled and left > 0:
            fitting = fitted(unfitted, _seconds(first), left / 60, overrides)
            if (larger := ended.larger(fitting, left)) is not None:
                going, done = carried_out(larger)
    return going, done


def _seconds(course: Course) -> float:
    """Estimate how many seconds the first stage of a course would take on this machine."""
    from dropbench.cli.work import arranged
    from dropbench.execute.estimate import Durations, estimate

    plan = course.first
    work = arranged(plan.specs, plan)
    return estimate(work.cohorts, Durations(work.settings, work.device), work.workers)


def told(course: Course, done: Done, conf: Sequence[Path], shown: Shown) -> Told | None:
    """Return the advice, and write its page and its configuration into the results folder; None if every run failed.

    Raises UsageError if no run without dropout finished.
    """
    from dropbench.planning.own_rates import as_written
    from dropbench.report import for_plan
    from dropbench.report.tables.advice import advice

    kept, store = done.kept, done.store
    going_on = kept.course is not None and not kept.course.ended
    if not going_on and not any(store.finished(run) for run in kept.runs):
        return None
    report = for_plan(store, kept)
    comparison = report.comparisons[0] if report.comparisons else None
    budget = _budget(comparison, course, done, left=going_on)
    written = as_written(done.plan.specs, done.plan.outlines)
    found = None if comparison is None else advice(comparison, comparison.title, budget, written)
    if found is None and going_on:
        go_on = "run the same command again to continue"
        over = f"Cannot tell yet: the time was over before anything could be compared{_tuned(course, done)}. "
        over += f"{go_on.capitalize()}."
        return Told("unknown", str(course.first.baseline), (over,), kept, store, next=go_on)
    if found is None:
        for headline in report.headlines:
            shown.warning(headline)
        raise UsageError("no advice is possible: no run without dropout finished; dropbench report shows what happened")
    if remedy := _remedy(course):
        first, how, last = found.sentences
        found = replace(found, sentences=(first, how, f"{last} {remedy}"))
    said = (found.decision, found.arm, found.sentences)
    return _written(found, report, Told(*said, kept, store, found.run, found.beside, found.next), conf)


def _tuned(course: Course, done: Done) -> str:
    """Return how much of the tuning is done, which comes first, and how long the rest of it takes; or nothing."""
    from dropbench.execute.executors import place
    from dropbench.report.tables.facts import duration

    runs = [s.run_id for s in course.first.specs]
    ended = [run for run in runs if done.store.is_done(run)]
    if len(ended) == len(runs):
        return ""
    said = f", with {len(ended)} of {len(runs)} runs of the tuning done"
    if not ended:
        return said
    seconds = trained_in(done.store, ended, place(course.first.settings).workers)
    return f"{said}; the others take about {duration(seconds * (len(runs) - len(ended)) / len(ended))}"


def _remedy(course: Course) -> str:
    """Return a sentence on rows that should perhaps not be split at random; the one before training has scrolled away."""
    from dropbench.planning.sources import load

    for spec in course.first.specs[:1]:  # all of them have the same data
        if told := load(spec.data, course.first.settings).remedies:
            return f"About the data: {'. Also: '.join(told[:2])}."
    return ""


def _budget(comparison: Comparison | None, course: Course, done: Done, *, left: bool) -> Budget:
    """Return how many seeds the command has, and how long the clock runs for one of them, as runs have shown."""
    from dropbench.execute.executors import place
    from dropbench.planning.advising import MOST
    from dropbench.report.tables.enough import Budget

    workers, compared = place(course.first.settings).workers, list(done.kept.runs)
    seeds = 0 if comparison is None else comparison.runs["seed"].nunique()
    each = trained_in(done.store, compared, workers) / seeds if seeds else math.nan
    return Budget(len(course.seeds), left, MOST, each, trained_in(done.store, done.kept.every_run, workers))


def _written(found: Advice, report: Report, told: Told, conf: Sequence[Path]) -> Told:
    from dropbench.cli.proposals import data_root, with_commands
    from dropbench.config.yaml import as_yaml
    from dropbench.planning.reproduce import commands
    from dropbench.report import write

    config, store = report.configs[found.run], told.store
    name = stem(told.kept, report.comparisons[0].title)
    file, page = store.root / f"{name}.yaml", store.root / f"{name}.html"
    file.write_text(as_yaml({k: v for k, v in config.items() if k != "seed"}), encoding="utf-8")
    write(with_commands(_agreeing(report, found), [store.root], conf), "html", page)
    try:
        root = data_root([told.kept], told.kept.every_run)
        lines = commands([(config, [0])], str(store.root), conf, data_root=root)
    except UsageError:  # for example, a Python object as data or model cannot be typed in a command
        lines = []
    command = lines[0].replace("dropbench sweep", "dropbench train", 1) if len(lines) == 1 else None
    return replace(told, command=command, config=file, page=page)


def _agreeing(report: Report, found: Advice) -> Report:
    """Return the report with the advice at its top, and a next step that is the advice's own.

    The diagnosis would propose another number of seeds: it counts in seeds that a user adds by hand, and knows no looks.
    """
    steps = found.next or "nothing more: the advice is settled"
    compared = [
        replace(
            c,
            diagnosis=tuple(
                replace(d, advice=steps, steps=(), buys="") if d.rule == "undecided" else d for d in c.diagnosis or ()
            ),
        )
        for c in report.comparisons
    ]
    return replace(report, comparisons=tuple(compared), advice=found.sentences)


def _show(told: Told, shown: Shown) -> None:
    if shown.as_json:
        files = {"config": told.config, "page": told.page}
        tree: dict[str, Any] = {
            name: getattr(told, name) for name in ("decision", "arm", "run", "sentences", "next", "command")
        }
        tree["beside"] = None if told.beside is None else asdict(told.beside)
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
