"""What the commands print, except reports: plans, progress, single runs and lists. Nothing here decides anything."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dropbench.cli.progress import Bar, TrainingProgress, duration
from dropbench.cli.tuned import said
from dropbench.config.yaml import as_yaml
from dropbench.values import AND, count, finite, plain, spans

if TYPE_CHECKING:
    from dropbench.cli.design import Design
    from dropbench.cli.stages import Rest
    from dropbench.cli.work import Work
    from dropbench.planning.continuing import Stage
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Record, Skipped, Tuned


def _is_screen(stream: TextIO | None) -> bool:
    """Return whether lines on a stream can be redrawn: it is a capable terminal, whatever the environment says of colours."""
    if stream is None or stream.closed or not stream.isatty():
        return False
    return sys.platform == "win32" or os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")


class _Console(Console):
    """A console that writes any character; the stream replaces those that it lacks by others of the same width.

    In a notebook it also writes text to its stream, where rich itself would display each line as HTML.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(force_jupyter=False, **options)

    @property
    def encoding(self) -> str:
        """UTF-8, for any character. For an ASCII stream rich would draw borders around tables that have none."""
        return "utf-8"


class _Aside(_Console):
    """A console on standard error for everything that is not a result. The command goes on if nobody reads it."""

    def __init__(self, quiet: bool) -> None:
        screen = _is_screen(sys.stderr)
        super().__init__(stderr=True, force_terminal=screen, force_interactive=screen, highlight=False, quiet=quiet)

    def on_broken_pipe(self) -> None:
        """Print nothing from now on. Rich itself would end the process."""
        self.quiet = True


class Shown:
    """Where a command prints: results to standard output, all else to standard error.

    Parameters
    ----------
    quiet : bool
        Whether to print only errors, and warnings that something asked for is not done.
    as_json : bool
        Whether to print results as JSON, for a program.
    """

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self.console: Console = _Console(highlight=False)
        self._results: Console = _Console(quiet=quiet, highlight=False)
        self._side: Console = _Aside(quiet=False)
        self._talk: Console = _Aside(quiet)

    def out(self, text: str) -> None:
        """Print a text unchanged, without wrapping or markup."""
        self.console.out(text, highlight=False)

    def json(self, value: Any) -> None:
        """Print a value as JSON: null for what is not a finite number, and other objects that JSON does not know as text."""
        self.out(json.dumps(finite(value), indent=2, default=str, allow_nan=False))

    def config(self, tree: Mapping[str, Any]) -> None:
        """Print a resolved configuration as YAML, or as JSON if that was asked for."""
        if self.as_json:
            self.json(tree)
        else:
            self.out(as_yaml(tree).rstrip())

    @property
    def results(self) -> Console:
        """The console for the results of a command; it prints nothing if only errors are wanted."""
        return self._results

    @property
    def talk(self) -> Console:
        """The console for everything that is not a result. It counts as a terminal only if lines can be redrawn on it."""
        return self._talk

    def note(self, text: str) -> None:
        """Print a line that is not a result."""
        self._talk.print(_seen(text), soft_wrap=True)

    def warning(self, text: str) -> None:
        """Print that something asked for is not done, even if only errors are wanted."""
        self._side.print(_seen(f"Warning: {text}"), soft_wrap=True)

    def error(self, text: str) -> None:
        """Print what went wrong, without ending the command."""
        self._side.print(_seen(f"Error: {text}"), soft_wrap=True)

    def errors(self, texts: Iterable[str]) -> None:
        """Print each of these errors."""
        for text in texts:
            self.error(text)

    def plan(self, plan: Plan, todo: int) -> None:
        """Print how many runs a plan has, and what is left out and why. todo: how many runs are not finished yet."""
        done = len(plan.specs) - todo
        parts = [count(len(plan.specs), "run"), f"{done} finished already and skipped" if done else ""]
        parts.append(f"{plan.merged} merged with a run that is the same" if plan.merged else "")
        self.note(f"{plan.study or 'sweep'}: {', '.join(p for p in parts if p)}")
        for reason in plan.skipped:
            self.note(f"skipped: {reason}")

    def stage(self, stage: Stage, tuned: Sequence[Tuned] = ()) -> None:
        """Print what the tuning found, and then which stage of a course comes next and under which seeds."""
        for one in tuned:
            self.note(said(one))
        self.note(f"{stage.called}, seeds {spans(stage.seeds)}:")

    def time_over(self, left: str) -> None:
        """Print that a command stopped because its time was over. left: what is not trained yet, `3 runs are left`."""
        self.warning(f"stopped because the time is over: {left}; run the same command again to continue")

    def warnings(self, plan: Plan) -> None:
        """Print where an arm may not be what it seems, on standard error and never among the results."""
        for warning in () if self.quiet else plan.warnings:
            self._side.print(Text(f"Warning: {warning}"), soft_wrap=True)

    def dry_run(
        self,
        plan: Plan,
        todo: Sequence[RunSpec],
        work: Work,
        seconds: float | None,
        rest: Rest | None = None,
        design: Design | None = None,
    ) -> None:
        """Print the arms of a plan, its cohorts, and the time that they would take to train.

        Parameters
        ----------
        plan : Plan
            The plan of the stage.
        todo : sequence of RunSpec
            Its runs that are not finished yet.
        work : Work
            These runs in cohorts.
        seconds : float or None
            The estimated time to train them; None if no estimate was asked for.
        rest : Rest or None
            What may come after them, if the plan's results decide on further runs.
        design : Design or None
            What the whole comparison could detect.
        """
        from dropbench.hardware.blas import products

        groups = work.groups
        if self.as_json:
            self.json(
                {
                    "plan_id": plan.plan_id,
                    "runs": [{"run_id": s.run_id, "config": s.as_dict()} for s in todo],
                    "cohorts": [[s.run_id for s in group] for group in groups],
                    "device": work.device,
                    "products": products(work.device),
                    "workers": work.workers,
                    "estimated_seconds": seconds,
                    "skipped": [*plan.skipped, *plan.unplanned],
                    **({"design": asdict(design)} if design else {}),
                    **({"rest": {"runs": rest.runs, "estimated_seconds": rest.seconds}} if rest else {}),
                }
            )
            return
        if todo:
            self._cohorts(plan, todo, work, seconds)
        else:
            self._result("nothing is left to train")
        if design is not None:
            self._result(str(design))
        if rest is not None:
            runs, (least, most) = between(*rest.runs, lambda n: f"{n:,}"), rest.seconds
            self._result(f"then, depending on their results, {runs} more runs, about {between(least, most, duration)}")

    def _cohorts(self, plan: Plan, todo: Sequence[RunSpec], work: Work, seconds: float | None) -> None:
        from dropbench.planning.searching import NUMBER

        groups = work.groups
        if searched := Counter(name.partition(NUMBER)[0] for name in plan.arms if NUMBER in name):
            for arm, n in searched.items():
                self._result(f"{arm}: {count(n, 'setting')}")
        else:
            self._results.print(_arms_table(plan, todo))
        fewest, most = (pick(map(len, groups)) for pick in (min, max))
        runs = count(most, "run") if fewest == most else f"{fewest} to {count(most, 'run')}"
        workers = count(min(work.workers, len(groups)), "worker")
        self._result(f"{count(len(groups), 'cohort')} of {runs}, {workers}, {work.device}")
        if seconds is not None:
            self._result(f"about {duration(seconds)}, from timing a few steps of each kind of cohort")

    @contextmanager
    def progress(self, cohorts: Sequence[Sequence[RunSpec]], arms: Mapping[str, str]) -> Iterator[TrainingProgress]:
        """Show a bar on a terminal; elsewhere print an occasional line, so that a log stays readable. arms: names by run id."""
        if self._talk.is_terminal and not self.quiet:
            with Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TimeElapsedColumn(),
                TextColumn("so far,"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._talk,
            ) as bar:
                yield TrainingProgress(self.note, cohorts, arms, bar)
        else:
            yield TrainingProgress(self.note, cohorts, arms, None)

    def run(self, record: Record | Skipped | None, folder: Path) -> None:
        """Print the outcome of one run and its folder."""
        from dropbench.store import Record

        if not isinstance(record, Record):
            self.error(f"the record in {folder} cannot be read")
            return
        if record.status == "failed":
            self.error(f"the run failed: {record.reason}; see {folder / 'traceback.txt'}")
        if self.as_json:
            self.json({**asdict(record), "folder": str(folder)})
        if self.as_json or record.status == "failed":
            return
        if record.status == "diverged":  # an outcome, not an error: it would diverge again
            self._result(f"no result: {record.reason}; {duration(record.seconds)} on {record.device}")
            self._result(f"{folder}")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "train", "validation", "test", "gap"):
            table.add_column(name, justify="left" if not name else "right")
        for metric in sorted({k.partition("_")[2] for k in record.metrics}, key=lambda m: (m.count("_"), m)):
            parts = {part: record.metrics.get(f"{part}_{metric}") for part in ("train", "val", "test", "gap")}
            table.add_row(metric.replace("_", " "), *(_score(metric, part, v) for part, v in parts.items()))
        self._results.print(table)
        self._result(
            f"scores of {_which(record)}; {record.parameters:,} parameters, "
            f"{record.n['train']:,} / {record.n['val']:,} / {record.n['test']:,} examples, "
            f"{duration(record.seconds)} on {record.device}"
        )
        if record.learned_rates:
            self._result("learned rates: " + ", ".join(f"{s} {rate:.3f}" for s, rate in record.learned_rates.items()))
        self._result(f"{folder}")

    def options(self, headlines: Mapping[str, Mapping[str, str]]) -> None:
        """Print the line of each option, by section and name: in wrapped columns on a terminal, elsewhere one line each."""
        for section, names in headlines.items():
            if len(headlines) > 1:
                self._results.print(Text(section, style="bold"))
            if not self._results.is_terminal:
                width = max(map(len, names), default=0)
                for name, line in names.items():
                    self._result(f"{name:<{width}}  {line}")
                continue
            table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
            table.add_column(no_wrap=True)
            table.add_column()
            for name, line in names.items():
                table.add_row(Text(name), Text(line))
            self._results.print(table)

    def rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Print rows as a table whose headings are their shared keys. Columns that are empty or 0 in every row are left out."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        heads = [head for head in rows[0] if any(row[head] not in (None, "", 0) for row in rows)]
        for head in heads:
            numbers = all(isinstance(row[head], int | None) for row in rows)
            table.add_column(head, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if row[head] is None else plain(row[head])) for head in heads))
        self._results.print(table)

    def said(self, text: str) -> None:
        """Print a sentence that is a result; it wraps on a terminal."""
        self._results.print(Text(text), soft_wrap=not self._results.is_terminal)

    def _result(self, text: str) -> None:
        """Print a line that is a result."""
        self._results.print(Text(text), soft_wrap=True)


def between(least: float, most: float, write: Callable[[Any], str]) -> str:
    """Return `10 to 60`, or `10` if both are written alike."""
    return write(least) if write(least) == write(most) else f"{write(least)} to {write(most)}"


def _seen(text: str) -> Text:
    """Escape terminal control characters in a text, because an exception or a stored record may hold any."""
    return Text("\n".join(map(plain, text.split("\n"))))


def _which(record: Record) -> str:
    """Return which epoch a run's scores are of: `epoch 30 of 30, its last` or `epoch 9 of 12, its best by val_loss`."""
    train = record.config.get("train")
    settings = train if isinstance(train, Mapping) else {}
    best = settings.get("patience") is not None and settings.get("restore_best") is True
    why = f"its best by {plain(str(settings.get('monitor')))}" if best else "its last"
    return f"epoch {record.chosen_epoch} of {record.epochs_run}, {why}"


def _score(metric: str, part: str, value: float | None) -> str:
    """Format a metric of one part of the data; empty if not measured there, such as passes with noise on training data."""
    if value is None:
        return ""
    if math.isnan(value):  # not defined for these examples
        return "-"
    sign = "+" if part == "gap" else ""
    if "accuracy" in metric:
        return f"{100 * value:{sign}.2f} {'points' if sign or metric.endswith('_sd') else '%'}"
    size = abs(value)  # seven digits or so; on 80 columns longer numbers are cut
    return f"{value:{sign}{'.4f' if size < 1e4 else ',.1f' if size < 1e7 else '.5g'}}"


def _arms_table(plan: Plan, todo: Sequence[RunSpec]) -> Table:
    """Return a table with one row per arm: what it is, and the settings in which it differs from the others."""
    from dropbench.planning.labels import differing
    from dropbench.planning.variants import places

    arms: dict[str, list[RunSpec]] = {}
    for spec in todo:
        arms.setdefault(spec.arm_id, []).append(spec)
    names = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = differing(todo)
    rows = []
    for arm, specs in arms.items():
        first, outline = specs[0], plan.outlines[specs[0].run_id]
        rates = {p.label: p.rate for p in places(first.variants, outline.sites)}
        sites = " ".join(f"{name}={rate:.3g}" for name, rate in rates.items()) or "-"
        if len(rates) > 3 and len(set(rates.values())) == 1:  # naming each would take one line per site
            sites = f"{next(iter(rates.values())):.3g} at {len(rates)} sites"
        rows.append(
            (
                names.get(first.run_id, ""),
                first.model.name,
                first.data.called,
                AND.join(v.name for v in first.variants),
                AND.join(f"{r.name} {r.value:g}" for r in first.regularizers),
                " ".join(settings[arm]),
                str(len(specs)),
                f"{outline.parameters:,}",
                sites,
            )
        )
    heads = ("arm", "model", "data", "dropout", "beside", "setting", "seeds", "parameters", "sites")
    table = Table(box=None, pad_edge=False, header_style="bold")
    used = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    for i in used:
        table.add_column(heads[i], justify="right" if heads[i] in ("seeds", "parameters") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[i]) for i in used))
    return table
