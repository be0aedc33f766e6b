"""`dropbench advise`: answers one question with one command, for users who do not know dropbench's terms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.dry_run import DryRun
from dropbench.errors import UsageError
from dropbench.values import plain

if TYPE_CHECKING:
    from dropbench.cli.outcome import Done
    from dropbench.planning.advising import Protocol
    from dropbench.planning.continuing import Course, Stage
    from dropbench.report.tables.advice import Advice
    from dropbench.report.tables.report import Report
    from dropbench.store import Store, StoredPlan, Tuned

PAGE, CONFIG = "advice.html", "advice.yaml"


@dataclass(frozen=True)
class _Told:
    """The advice, with a command and a configuration that carry it out. page: explains it with every number."""

    advice: Advice
    command: str | None
    config: Path
    page: Path


class _Spare(Shown):
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
    from dropbench.cli.stages import looking
    from dropbench.cli.sweep import pursue
    from dropbench.config.compose import composer
    from dropbench.planning.advising import TUNING_SEEDS, fitted, protocol
    from dropbench.planning.continuing import course

    until = time.monotonic() + 60 * minutes
    shown = _Spare(quiet, as_json)
    with composer(conf) as c:

        def asked(chosen: Protocol) -> Course:
            return course(
                chosen.overrides,
                c,
                tune=chosen.tune,
                tuning_seeds=TUNING_SEEDS,
                looking=looking(chosen.at_most),
            )

        chosen = protocol(overrides, c)
        first = asked(chosen)
        chosen = _again(first, chosen) or fitted(chosen, _seconds(first), minutes, overrides)
        going = asked(chosen)
        shown.note(f"advise: {chosen}")
        done = pursue(going, conf, shown, dry_run=DryRun() if dry_run else None, until=until)
    return 0 if done is None else done.code or _tell(going, done, conf, shown)


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

    fixed = ("train.epochs", "train.patience")
    mine = [text for text in chosen.overrides if text.partition("=")[0] not in fixed]
    for plan in sorted(Store(course.first.settings.results).plans(), key=lambda p: p.created, reverse=True):
        theirs = [text for text in plan.overrides if text.partition("=")[0] not in fixed]
        if (
            plan.study == course.first.study
            and sorted(theirs) == sorted(mine)
            and plan.course
            and not plan.course.ended
        ):
            epochs = next((t.partition("=")[2] for t in plan.overrides if t.startswith("train.epochs=")), None)
            looks = plan.course.rule.looks
            return replace(
                chosen,
                overrides=tuple(plan.overrides),
                epochs=int(epochs) if epochs else chosen.epochs,
                at_most=looks[-1] if looks else chosen.at_most,
            )
    return None


def _tell(course: Course, done: Done, conf: Sequence[Path], shown: Shown) -> int:
    """Print the advice, and write its page and its configuration into the results folder. Return the exit code, 0."""
    from dropbench.report import for_plan
    from dropbench.report.tables.advice import advice

    kept, store = done.kept, done.store
    if not any(store.finished(run) for run in kept.runs):
        over = "Cannot tell yet: the time was over before anything could be compared. Run the same command again to continue."
        if shown.as_json:
            nothing = dict.fromkeys(("run", "command", "config", "page"))
            shown.json({"decision": "unknown", "arm": course.first.baseline, "sentences": [over], **nothing})
        else:
            (shown.out if shown.quiet else shown.said)(over)
        return 0
    report = for_plan(store, kept)
    spec = course.first.specs[0]
    what = f"model={spec.model.name} on {spec.data.called}"
    comparison = report.comparisons[0] if report.comparisons else None
    found = None if comparison is None else advice(comparison, what)
    if found is None:
        for headline in report.headlines:
            shown.warning(headline)
        raise UsageError("no advice is possible: no run without dropout finished; dropbench report shows what happened")
    _show(_written(found, report, store, kept, conf), shown)
    return 0


def _written(found: Advice, report: Report, store: Store, kept: StoredPlan, conf: Sequence[Path]) -> _Told:
    from dropbench.cli.proposals import data_root, with_commands
    from dropbench.config.yaml import as_yaml
    from dropbench.planning.reproduce import commands
    from dropbench.report import write

    config = report.configs[found.run]
    told = _Told(found, None, store.root / CONFIG, store.root / PAGE)
    told.config.write_text(as_yaml({k: v for k, v in config.items() if k != "seed"}), encoding="utf-8")
    write(with_commands(report, [store.root], conf), "html", told.page)
    try:
        lines = commands([(config, [0])], str(store.root), conf, data_root=data_root([kept], kept.every_run))
    except UsageError:  # for example, a Python object as data or model cannot be typed in a command
        lines = []
    return replace(told, command=lines[0].replace("dropbench sweep", "dropbench train", 1) if len(lines) == 1 else None)


def _show(told: _Told, shown: Shown) -> None:
    if shown.as_json:
        tree: dict[str, Any] = asdict(told.advice)
        shown.json({**tree, "command": told.command, "config": str(told.config), "page": str(told.page)})
        return
    if shown.quiet:  # the advice is printed all the same, because no other command prints it again
        for sentence in told.advice.sentences:
            shown.out(plain(sentence))
        return
    lines = [*told.advice.sentences, *([f"To train it: {told.command}"] if told.command else [])]
    lines.append(f"Its configuration is in {told.config}; the evidence, with every number, is in {told.page}")
    for line in lines:
        shown.said(plain(line))
