"""Shows progress while runs train: a bar for all runs, a line per cohort in training, and the running means of each arm."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text

from dropbench.values import count, plural

if TYPE_CHECKING:
    from dropbench.engine.result import Progress as EpochEnd
    from dropbench.execute.cohort import Note, Retry
    from dropbench.execute.local import Stored
    from dropbench.spec import RunSpec, TrainSpec

Row = Mapping[str, float]

MOST = 8
"""The most lines of cohorts, and of arms, that are shown: the rest is only counted, because a terminal is 24 lines high."""
_REST_S = 0.1
"""Least seconds between two updates of the means: over a thousand runs they take time, and nobody sees more of them."""


_LINE_S = 2.0
"""Least seconds between two lines of a log, but for the first and the last of a command."""


class Bar(Progress):
    """A bar and, below it, lines on the state of the runs, which are cut rather than wrapped."""

    state: Sequence[str] = ()

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield what rich draws: its bar, then our lines."""
        yield from super().get_renderables()
        for line in self.state:
            yield Text(line, no_wrap=True, overflow="ellipsis")


class TrainingProgress:
    """Tracks and shows the epochs and scores that the runs of a command have reached.

    Parameters
    ----------
    note : callable
        Prints a line.
    cohorts : sequence of sequences of RunSpec
        The cohorts that will be trained.
    arms : mapping of str to str
        The name of each run's arm, by run id. If all runs are of one arm, their means are in one line.
    bar : Bar or None
        Shows the state on a terminal; None prints it as lines of a log.
    """

    def __init__(
        self,
        note: Callable[[str], None],
        cohorts: Sequence[Sequence[RunSpec]],
        arms: Mapping[str, str],
        bar: Bar | None,
    ) -> None:
        self._note, self._bar = note, bar
        specs = [s for cohort in cohorts for s in cohort]
        self._runs = len(specs)
        self._epochs = {s.run_id: s.train.epochs for s in specs}
        self._total = sum(self._epochs.values())
        self._which = _which_epoch([s.train for s in specs])
        self._cohorts = [[s.run_id for s in cohort] for cohort in cohorts]
        self._arms: dict[str, list[str]] = {}
        for run in (r for r in {**arms, **self._epochs} if r in self._epochs):
            self._arms.setdefault(arms.get(run, ""), []).append(run)
        self._ended: set[str] = set()
        self._noted: set[str] = set()
        self._latest: dict[str, Row] = {}
        self._at: dict[str, int] = dict.fromkeys(self._epochs, 0)
        self._done = 0
        """The sum of `_at`, kept up to date because adding up very many runs at each epoch's end would take time."""
        self._begun: dict[str, None] = {}
        """The runs in training, in the order in which they began."""
        self._told = 0
        self._began = self._counted = time.monotonic()
        self._task = bar.add_task(self._title(), total=self._total) if bar else None

    def listen(self, event: EpochEnd | Retry | Note) -> None:
        """Record an epoch's end or a cohort that is tried once more, or print a note."""
        from dropbench.execute.cohort import Note, Retry

        if isinstance(event, Note):
            self._note(event.text)
            return
        if isinstance(event, Retry):
            runs = (
                f"its {len(event.run_ids)} unfinished runs are" if len(event.run_ids) > 1 else "its unfinished run is"
            )
            self._note(f"a cohort broke off, {event.reason}; {runs} tried once more, {event.how}")
            for run in event.run_ids:
                self._reached(run, 0)
            for run in event.run_ids:
                self._latest.pop(run, None)
        else:
            for run, row in event.rows.items():  # an epoch without evaluation keeps the latest scores
                self._latest[run] = {**self._latest.get(run, {}), **row}
                self._reached(run, event.epoch)
        self._tell()

    def finished(self, stored: Stored) -> None:
        """Record a run's end."""
        run = stored.record.run_id
        self._ended.add(run)
        self._reached(run, self._epochs[run])  # after early stopping, the epochs left count as done
        if stored.record.status != "completed":  # left out of the means, as in the report
            self._latest.pop(run, None)
        for note in stored.notes:
            if note not in self._noted:  # a note that holds for many runs is printed once, for the first
                self._noted.add(note)
                self._note(f"run {run}: {note}")
        if stored.record.status == "diverged":
            self._note(f"run {run} diverged: {stored.record.reason}")
        self._tell()

    def _reached(self, run: str, epoch: int) -> None:
        self._done += epoch - self._at.get(run, 0)
        self._at[run] = epoch
        if epoch and run not in self._ended:
            self._begun[run] = None
        else:
            self._begun.pop(run, None)

    def _title(self) -> str:
        if self._runs == 1:
            return f"epoch {max(self._at.values())}/{self._total}"
        training = list(self._begun)
        told = f"{len(self._ended)} of {self._runs} done"
        if training:
            at = max(training, key=lambda run: self._at[run])
            told += f", {len(training)} training, epoch {self._at[at]}/{self._epochs[at]}"
        return told

    def _tell(self) -> None:
        done = self._done
        if self._bar is not None and self._task is not None:
            if not self._bar.state or time.monotonic() - self._counted > _REST_S:
                self._bar.state = self.lines()
                self._counted = time.monotonic()
            self._bar.update(self._task, completed=done, description=self._title())
            return
        tenth, now = 10 * done // max(self._total, 1), time.monotonic()
        if tenth > self._told and self._latest and (tenth == 10 or now - self._counted > _LINE_S or not self._told):
            half = self._told < 5 <= tenth
            self._told, self._counted = tenth, now
            left = (time.monotonic() - self._began) * (self._total - done) / max(done, 1)
            several = self._several()
            state = "" if several else self._means(list(self._latest))
            self._note("  ".join(p for p in (self._title(), state, f"{duration(left)} left") if p))
            for line in self._of_arms() if several and half else ():  # once, since the report follows
                self._note(f"  {line}")

    def lines(self) -> list[str]:
        """Return a line for each cohort in training, if there are several, and each arm; if both are single, only one line.

        Above the arms stands which epoch their scores are of. A single line has the epoch beside it, in the title.
        """
        if not self._several():
            return [line] if (line := self._means(list(self._latest))) else []
        return [*_first(self._in_training(), "cohort"), *self._of_arms()]

    def _of_arms(self) -> list[str]:
        arms = self._by_arm()
        return [*[self._which] * bool(arms), *arms]

    def _several(self) -> bool:
        return len(self._cohorts) > 1 or len(self._arms) > 1

    def _in_training(self) -> list[str]:
        lines = []
        for i, runs in enumerate(self._cohorts) if len(self._cohorts) > 1 else ():
            left = [run for run in runs if run not in self._ended]
            if left and any(self._at[run] for run in left):
                at = max(left, key=lambda run: self._at[run])
                lines.append(
                    f"cohort {i + 1}/{len(self._cohorts)}  epoch {self._at[at]}/{self._epochs[at]}, {count(len(left), 'run')}"
                )
        return lines

    def _by_arm(self) -> list[str]:
        begun = {arm: own for arm, runs in self._arms.items() if (own := [run for run in runs if run in self._latest])}
        told = _telling({arm: self._merit(runs) for arm, runs in begun.items()})
        width = max(map(len, self._arms))
        lines = [f"{arm:<{width}}  {self._means(begun[arm])}".strip() for arm in told]
        rest = len(begun) - len(told)
        return [*filter(None, lines), *[f"and {rest} more between these"] * bool(rest)]

    def _merit(self, runs: Sequence[str]) -> float:
        """Return an arm's mean validation accuracy so far, or its negated RMSE or loss; 0 if nothing is known."""
        for key, sign in (("val_accuracy", 1), ("val_rmse", -1), ("val_loss", -1)):
            values = [row[key] for row in map(self._latest.__getitem__, runs) if key in row]
            if values:
                return sign * sum(values) / len(values)
        return 0.0

    def _means(self, runs: Sequence[str]) -> str:
        """Return a line of mean metrics over these runs, each at its latest epoch."""
        rows = [self._latest[run] for run in runs]

        def mean(key: str) -> float | None:
            values = [row[key] for row in rows if key in row]
            return sum(values) / len(values) if values else None

        def both(metric: str, scale: int, form: str, unit: str = "") -> list[str]:
            train, val = mean(f"train_{metric}"), mean(f"val_{metric}")
            if train is None or val is None:
                return []
            return [f"train/val {metric} {scale * train:{form}}/{scale * val:{form}}{unit}"]

        # The gap precedes the loss, which a narrow terminal cuts off. Regression shows RMSE, as its loss is in squared units.
        parts = both("accuracy", 100, ".1f", " %")
        if (gap := mean("gap_accuracy")) is not None:
            parts.append(f"gap {100 * gap:+.1f}")
        parts += both("rmse", 1, ".4g") or both("loss", 1, ".3f")
        if (lr := mean("lr")) is not None and not self._several():
            parts.append(f"lr {lr:.2g}")
        return "  ".join(parts)


def _which_epoch(trains: Sequence[TrainSpec]) -> str:
    """Return a heading that says which epoch the scores are of and, if the report takes another one, which."""
    evaluated = "evaluated " * any(t.eval_every > 1 for t in trains)
    best = [t.monitor for t in trains if t.patience is not None and t.restore_best]
    told = f"scores at each run's latest {evaluated}epoch"
    if not best:
        return f"{told}:"
    by = f", by {best[0]}" if len(set(best)) == 1 else ""
    takes = "its best" if len(best) == len(trains) else "the best of runs with train.patience"
    return f"{told}; the report takes {takes}{by}:"


def duration(seconds: float) -> str:
    """Format seconds: `59.9 s`, `1 min 00 s`, `25 h 00 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _telling(merits: Mapping[str, float]) -> list[str]:
    """Return the arms to show, in their order: all; or, if they are too many, the baseline (first), the best and the worst."""
    if len(merits) <= MOST:
        return list(merits)
    first, *others = merits
    ranked = sorted(others, key=lambda arm: merits[arm])
    worst = (MOST - 1) // 2
    kept = {first, *ranked[:worst], *ranked[worst - MOST + 1 :]}
    return [arm for arm in merits if arm in kept]


def _first(lines: Sequence[str], what: str) -> list[str]:
    rest = len(lines) - MOST
    if rest <= 0:
        return list(lines)
    return [*lines[:MOST], f"and {rest} more {plural(rest, what)}"]
