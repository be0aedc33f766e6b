"""What the commands print, but for reports: plans, progress, one run, lists. Nothing here decides anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from dropbench.engine.result import Progress as EpochEnd
    from dropbench.execute.cohort import Retry
    from dropbench.execute.local import Stored
    from dropbench.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Record, Skipped

Row = Mapping[str, float]


class Shown:
    """Where a command's words go: results to standard output, progress there too unless that is to hold JSON alone."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self.console = Console(highlight=False)
        self._side = Console(stderr=True, highlight=False)
        self._talk = Console(stderr=as_json, quiet=quiet, highlight=False)

    def out(self, text: str) -> None:
        """Text as it is: no wrapping, no markup."""
        self.console.out(text, highlight=False)

    def json(self, value: Any) -> None:
        self.out(json.dumps(value, indent=2, default=str))

    def config(self, tree: Mapping[str, Any]) -> None:
        """A resolved configuration: YAML, or JSON where that was asked for."""
        from omegaconf import OmegaConf

        if self.as_json:
            self.json(tree)
        else:
            self.out(OmegaConf.to_yaml(OmegaConf.create(dict(tree))).rstrip())

    def note(self, text: str) -> None:
        self._talk.print(Text(text), soft_wrap=True)

    def error(self, text: str) -> None:
        self._side.print(Text(f"Error: {text}"), soft_wrap=True)

    def plan(self, plan: Plan, todo: int) -> None:
        done = len(plan.specs) - todo
        parts = [_count(len(plan.specs), "run"), f"{done} finished already and skipped" if done else ""]
        parts.append(f"{plan.merged} merged with a run that is the same" if plan.merged else "")
        self.note(f"{plan.study or 'sweep'}: {', '.join(p for p in parts if p)}")
        for reason in plan.skipped:
            self.note(f"skipped: {reason}")

    def warnings(self, plan: Plan) -> None:
        """What the arms may not be what they seem for. Never in the way of the results."""
        for warning in () if self.quiet else plan.warnings:
            self._side.print(Text(f"Warning: {warning}"), soft_wrap=True)

    def dry_run(
        self,
        plan: Plan,
        todo: Sequence[RunSpec],
        groups: Sequence[Sequence[RunSpec]],
        device: str,
        workers: int,
        seconds: float,
    ) -> None:
        """The arms of a plan, its cohorts, and what it would take."""
        if self.as_json:
            self.json(
                {
                    "plan_id": plan.plan_id,
                    "runs": [{"run_id": s.run_id, "config": s.as_dict()} for s in todo],
                    "cohorts": [[s.run_id for s in g] for g in groups],
                    "device": device,
                    "workers": workers,
                    "estimated_seconds": seconds,
                    "skipped": list(plan.skipped),
                }
            )
            return
        if not todo:
            self.note("nothing is left to train")
            return
        self._talk.print(_arms_table(plan, todo))
        sizes = sorted({len(g) for g in groups})
        runs = _count(sizes[-1], "run") if len(sizes) == 1 else f"{sizes[0]} to {_count(sizes[-1], 'run')}"
        self.note(f"{_count(len(groups), 'cohort')} of {runs}, {_count(min(workers, len(groups)), 'worker')}, {device}")
        self.note(f"about {_duration(seconds)}, from timing a few steps of each kind of cohort")

    @contextmanager
    def progress(self, specs: Sequence[RunSpec]) -> Iterator[Watching]:
        """A bar on a terminal; elsewhere a line now and then, so that a log stays readable."""
        if self._talk.is_terminal and not self.quiet:
            with _Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TimeElapsedColumn(),
                TextColumn("so far,"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._talk,
            ) as bar:
                yield Watching(self, specs, bar)
        else:
            yield Watching(self, specs, None)

    def run(self, record: Record | Skipped | None, folder: Path) -> None:
        """One run's outcome and where it is kept."""
        from dropbench.store import Record

        if not isinstance(record, Record):
            self.error(f"the record in {folder} cannot be read")
            return
        if self.as_json:
            self.json({**asdict(record), "folder": str(folder)})
            return
        if record.status == "failed":
            self.error(f"the run failed: {record.reason}; see {folder / 'traceback.txt'}")
            return
        if record.status == "diverged":  # an outcome, not an error: it would diverge again
            self.note(f"no result: {record.reason}; {_duration(record.seconds)} on {record.device}")
            self.note(f"{folder}")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "train", "validation", "test", "gap"):
            table.add_column(name, justify="left" if not name else "right")
        for metric in sorted({k.partition("_")[2] for k in record.metrics}, key=lambda m: (m.count("_"), m)):
            parts = {part: record.metrics.get(f"{part}_{metric}") for part in ("train", "val", "test", "gap")}
            table.add_row(metric.replace("_", " "), *(_score(metric, part, v) for part, v in parts.items()))
        self._talk.print(table)
        self.note(
            f"epoch {record.chosen_epoch} of {record.epochs_run}, {record.parameters:,} parameters, "
            f"{record.n['train']:,} / {record.n['val']:,} / {record.n['test']:,} examples, "
            f"{_duration(record.seconds)} on {record.device}"
        )
        if record.learned_rates:
            self.note("learned rates: " + ", ".join(f"{s} {rate:.3f}" for s, rate in record.learned_rates.items()))
        self.note(f"{folder}")

    def options(self, found: Mapping[str, Mapping[str, str]]) -> None:
        """Names and their lines, in columns that wrap on a terminal; elsewhere a line each, whatever its length."""
        for section, names in found.items():
            if len(found) > 1:
                self._talk.print(Text(section, style="bold"))
            if not self._talk.is_terminal:
                width = max(map(len, names), default=0)
                for name, line in names.items():
                    self.note(f"{name:<{width}}  {line}")
                continue
            table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
            table.add_column(no_wrap=True)
            table.add_column()
            for name, line in names.items():
                table.add_row(Text(name), Text(line))
            self._talk.print(table)


def _score(metric: str, part: str, value: float | None) -> str:
    """A metric of one part of the data; nothing where it was not taken, as with the noise on in training."""
    if value is None:
        return ""
    sign = "+" if part == "gap" else ""
    if "accuracy" in metric:
        return f"{100 * value:{sign}.2f} {'points' if sign or metric.endswith('_sd') else '%'}"
    return f"{value:{sign}.4f}"


class _Bar(Progress):
    """A bar and, under it, what the runs in training have reached: two lines, cut rather than wrapped."""

    state = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        if self.state:
            yield Text(self.state, no_wrap=True, overflow="ellipsis")


class Watching:
    """Follows the runs of a command: the mean of those that are in training, and how many have ended."""

    def __init__(self, shown: Shown, specs: Sequence[RunSpec], bar: _Bar | None) -> None:
        self._shown, self._bar = shown, bar
        self._runs = len(specs)
        self._epochs = {s.run_id: s.train.epochs for s in specs}
        self._total = sum(self._epochs.values())
        self._ended = 0
        self._latest: dict[str, Row] = {}
        self._at: dict[str, int] = dict.fromkeys(self._epochs, 0)
        self._told = 0
        self._began = time.monotonic()
        self._task = bar.add_task(self._title(), total=self._total) if bar else None

    def listen(self, event: EpochEnd | Retry) -> None:
        from dropbench.execute.cohort import Retry

        if isinstance(event, Retry):
            runs = (
                f"its {len(event.run_ids)} unfinished runs are" if len(event.run_ids) > 1 else "its unfinished run is"
            )
            self._shown.note(f"a cohort broke off, {event.reason}; {runs} tried once more, each alone")
            self._at.update(dict.fromkeys(event.run_ids, 0))
        else:
            for run, row in event.rows.items():  # an epoch without an evaluation keeps the scores of the last
                self._latest[run] = {**self._latest.get(run, {}), **row}
            self._at.update(dict.fromkeys(event.rows, event.epoch))
        self._tell()

    def finished(self, stored: Stored) -> None:
        self._ended += 1
        run = stored.record.run_id
        self._at[run] = self._epochs[run]  # early stopping: what it does not need is done
        self._latest.pop(run, None)
        for note in stored.notes:
            self._shown.note(f"run {run}: {note}")
        if stored.record.status == "diverged":
            self._shown.note(f"run {run} diverged: {stored.record.reason}")
        self._tell()

    def _title(self) -> str:
        if self._runs > 1:
            return f"run {self._ended}/{self._runs}"
        return f"epoch {max(self._at.values())}/{self._total}"

    def _tell(self) -> None:
        done = sum(self._at.values())
        if self._bar is not None and self._task is not None:
            self._bar.state = self._state()
            self._bar.update(self._task, completed=done, description=self._title())
            return
        tenth = 10 * done // max(self._total, 1)
        if tenth > self._told and self._latest:
            self._told = tenth
            left = (time.monotonic() - self._began) * (self._total - done) / max(done, 1)
            self._shown.note("  ".join(p for p in (self._title(), self._state(), f"{_duration(left)} left") if p))

    def _state(self) -> str:
        """The mean over the runs in training, of what their metrics tell."""

        def mean(key: str) -> float | None:
            values = [row[key] for row in self._latest.values() if key in row]
            return sum(values) / len(values) if values else None

        parts = []
        for metric, scale, form, unit in (("loss", 1, ".3f", ""), ("accuracy", 100, ".1f", " %")):
            train, val = mean(f"train_{metric}"), mean(f"val_{metric}")
            if train is not None and val is not None:
                parts.append(f"train/val {metric} {scale * train:{form}}/{scale * val:{form}}{unit}")
        if (gap := mean("gap_accuracy")) is not None:
            parts.append(f"gap {100 * gap:+.1f}")
        if (lr := mean("lr")) is not None:
            parts.append(f"lr {lr:.2g}")
        return "  ".join(parts)


def _arms_table(plan: Plan, todo: Sequence[RunSpec]) -> Table:
    """A row an arm: what it is, and what tells it from the others."""
    from dropbench.outline import arm_rates
    from dropbench.plan import differing

    arms: dict[str, list[RunSpec]] = {}
    for spec in todo:
        arms.setdefault(spec.arm_id, []).append(spec)
    names = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = differing(todo)
    rows = []
    for arm, specs in arms.items():
        first, found = specs[0], plan.outlines[specs[0].run_id]
        rates = arm_rates(first.dropout, found.sites)
        sites = " ".join(f"{name}={rate:g}" for name, rate in rates.items()) or "-"
        rows.append(
            (
                names.get(first.run_id, ""),
                first.model.name,
                first.data.name,
                first.dropout.name,
                " ".join(settings[arm]),
                str(len(specs)),
                f"{found.parameters:,}",
                sites,
            )
        )
    heads = ("arm", "model", "data", "dropout", "setting", "seeds", "parameters", "sites")
    table = Table(box=None, pad_edge=False, header_style="bold")
    used = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    for i in used:
        table.add_column(heads[i], justify="right" if heads[i] in ("seeds", "parameters") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[i]) for i in used))
    return table


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
