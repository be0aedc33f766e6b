"""What each command does, between parsing and showing. Each function returns the exit code."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown, arm_names
from dropbench.errors import Interrupted, UsageError, nearest

if TYPE_CHECKING:
    from dropbench.config.compose import Composed
    from dropbench.execute.local import Stored
    from dropbench.loggers import Loggers
    from dropbench.planning.plan import Plan
    from dropbench.report.tables.report import Report
    from dropbench.spec import RunSpec
    from dropbench.store import Store

_SECTIONS = {
    "variants": "dropout",
    "schedules": "dropout/schedule",
    "models": "model",
    "data": "data",
    "studies": "study",
    "metrics": "metric",
}


def train(words: Sequence[str], conf: Sequence[Path], *, cfg: bool, as_json: bool, quiet: bool) -> int:
    from dropbench.config.compose import composer
    from dropbench.planning.plan import compose_one, single

    shown = Shown(quiet, as_json)
    with composer(conf) as c:
        if cfg:
            shown.config(_config(compose_one(words, c)))
            return 0
        plan = single(words, c)
    store = _store(plan)
    spec = plan.specs[0]
    if store.is_done(spec.run_id):
        shown.note(f"run {spec.run_id} is finished already; its record is shown again")
        record, folder = store.find(spec.run_id), store.root / "runs" / spec.run_id
    else:
        shown.warnings(plan)
        # There is no other run to protect from this one: no process for it.
        (stored,) = _execute(plan, replace(_work([spec], plan), workers=1), store, shown)
        record, folder = stored.record, stored.folder
    shown.run(record, folder)
    return 1 if getattr(record, "status", "failed") == "failed" else 0


def sweep(words: Sequence[str], conf: Sequence[Path], *, dry_run: bool, as_json: bool, quiet: bool) -> int:
    from dropbench.config.compose import composer
    from dropbench.planning.plan import make

    with composer(conf) as c:
        plan = make(words, c)
    return _swept(plan, Shown(quiet, as_json), conf, dry_run=dry_run)


def _swept(plan: Plan, shown: Shown, conf: Sequence[Path], *, dry_run: bool = False) -> int:
    from dropbench.execute.local import unfinished

    store = _store(plan)
    todo = unfinished(plan.specs, store)
    work = _work(todo, plan)
    shown.plan(plan, len(todo))
    shown.warnings(plan)
    if dry_run:
        from dropbench.execute.estimate import estimate

        seconds = estimate(work.cohorts, plan.settings, work.device, work.workers) if todo else 0.0
        shown.dry_run(plan, todo, work.cohorts, work.device, work.workers, seconds)
        return 0
    store.write_plan(_stored_plan(plan))
    stored = _execute(plan, work, store, shown) if todo else []
    failed = [s for s in stored if s.record.status == "failed"]
    for one in failed:
        shown.error(f"run {one.record.run_id} failed: {one.record.reason}; see {one.folder / 'traceback.txt'}")
    if shown.as_json:
        shown.json({"plan_id": plan.plan_id, "runs": [s.run_id for s in plan.specs], **_counts(plan, store)})
    elif not shown.quiet:
        from dropbench.report import for_runs, show

        made = for_runs(store, [s.run_id for s in plan.specs], plan.arms, plan.baseline)
        show(_with_commands(made, [store.root], conf), shown.console)
    return 1 if failed else 0


@dataclass(frozen=True)
class Asked:
    """What `report` is asked, as typed."""

    what: Sequence[str]
    baseline: str | None
    where: Sequence[str]
    metric: str | None
    rope: str | None
    rows: str | None
    cols: str | None
    confirm: bool

    def words(self) -> tuple[list[Path], list[str]]:
        """Paths and filters: a word with `=` that is no file is a filter; `a=b/` may be a folder.

        `results=DIR` names the folder as it does when training.
        """
        words = [w.removeprefix("results=") for w in self.what]
        paths = [Path(w) for w, said in zip(words, self.what, strict=True) if w != said or _is_path(w)]
        return paths, [w for w, said in zip(words, self.what, strict=True) if w == said and not _is_path(w)]

    def command(self) -> str:
        """It as one would type it again; --confirm, which trains, apart."""
        options = [("--baseline", self.baseline), *(("--where", w) for w in self.where), ("--metric", self.metric)]
        options += [("--rope", self.rope), ("--rows", self.rows), ("--cols", self.cols)]
        words = [*self.what, *(word for name, value in options if value is not None for word in (name, value))]
        return shlex.join(["dropbench", "report", *words])


def _is_path(word: str) -> bool:
    return "=" not in word or Path(word).exists()


def report(
    asked: Asked,
    conf: Sequence[Path],
    fmt: str,
    out: Path | None,
    figures: Path | None,
    every: float | None,
    *,
    wide: bool,
    quiet: bool,
) -> int:
    """every: seconds between two looks at a sweep that is going on elsewhere; None is one look."""
    from dropbench.report import FORMATS, render, show, write

    # A report on standard output that a program may read has it to itself.
    shown = Shown(quiet, as_json=fmt != "rich" and out is None)
    if fmt not in FORMATS:
        raise UsageError(f"--format {fmt}: there is no such format; {nearest(fmt, FORMATS)}")
    if fmt == "parquet" and out is None:
        raise UsageError("--format parquet is no text: name a file to write it to, as in --out report.parquet")
    if every is not None:
        if fmt != "rich" or out or figures or asked.confirm or wide:
            raise UsageError(
                "--watch shows tables as they grow: leave out --format, --out, --figures, --wide and --confirm"
            )
        return _watch(asked, conf, every, shown)
    made = _built(asked, conf)
    if asked.confirm:
        if figures is not None:
            raise UsageError("--confirm trains and draws nothing: leave out --figures, and ask for them after it")
        return _confirm(made, asked.words()[0] or [Path("results")], conf, shown)
    made = replace(made, command=asked.command())
    if out is not None:
        try:
            write(made, fmt, out, wide=wide)
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}; choose a file in a folder that can be written") from error
        shown.note(f"written to {out}")
    elif fmt != "rich" or (wide and not quiet):
        shown.out(render(made, fmt, wide=wide))
    elif not quiet:
        show(made, shown.console)
    if figures is not None:
        _figures(made, figures, shown)
    return 0


def _watch(asked: Asked, conf: Sequence[Path], every: float, shown: Shown) -> int:
    """The report again and again while a sweep elsewhere adds to it. Ends with 0 once that is complete, and on Ctrl-C."""
    from dropbench.report.follow import watch

    paths, filters = asked.words()
    studies = [v for f in filters if f.startswith("study=") for v in f.removeprefix("study=").split(",")]
    watch(lambda: _built(asked, conf), paths or [Path("results")], studies, every, shown.talk)
    return 0


def _built(asked: Asked, conf: Sequence[Path]) -> Report:
    """The report that was asked for, of what is stored now."""
    from dropbench.report import build, pivot

    paths, filters = asked.words()
    if asked.rows is not None:
        if asked.baseline or asked.rope or asked.confirm:
            raise UsageError("--rows shows a metric and compares nothing: leave out --baseline, --rope and --confirm")
        return pivot(paths, filters, rows=asked.rows, cols=asked.cols, where=asked.where, metric=asked.metric)
    if asked.cols is not None:
        raise UsageError(f"--cols {asked.cols} needs --rows, as in --rows dropout.rate --cols {asked.cols}")
    made = build(paths, filters, asked.baseline, where=asked.where, metric=asked.metric, rope=asked.rope)
    return _with_commands(made, paths, conf)


def _figures(made: Report, folder: Path, shown: Shown) -> None:
    from dropbench.report import write_figures

    try:
        files = write_figures(made, folder)
    except OSError as error:
        raise UsageError(f"--figures {folder}: {error.strerror}; choose a folder that can be written") from error
    for file in files:
        shown.note(f"written to {file}")
    if not files:
        shown.note("no figure: these runs have neither epochs nor two arms to compare, nor --rows with --cols")


def _with_commands(made: Report, paths: Sequence[Path], conf: Sequence[Path]) -> Report:
    """With what to type for each diagnosis; in words alone where an option that it takes is no longer as it was."""
    from dropbench.planning.reproduce import commands
    from dropbench.store import RUNS

    first = paths[0] if paths else Path("results")
    root = str(next((p for p in (first, first.parent, first.parent.parent) if (p / RUNS).is_dir()), first))
    comparisons = []
    for comparison in made.comparisons:
        found = []
        for d in comparison.diagnosis or ():
            with suppress(UsageError):
                d = replace(d, commands=tuple(commands([(s.config, s.seeds) for s in d.steps], root, conf)))
            found.append(d)
        comparisons.append(replace(comparison, diagnosis=tuple(found)))
    return replace(made, comparisons=tuple(comparisons))


def _confirm(made: Report, paths: Sequence[Path], conf: Sequence[Path], shown: Shown) -> int:
    """Trains, for each comparison with a chosen rate, that one and the baseline under fresh seeds."""
    from dropbench.config.compose import composer
    from dropbench.config.grammar import quoted
    from dropbench.planning import confirm
    from dropbench.seeds import fresh
    from dropbench.store import RUNS

    chosen = [c for c in made.comparisons if c.choices and c.baseline is not None]
    if not chosen:
        raise UsageError("--confirm: no rate was chosen, which takes several rates of a variant beside a baseline")
    if len(paths) > 1 or not (paths[0] / RUNS).is_dir():
        raise UsageError(
            "--confirm adds runs to one results folder: name that one, as in dropbench report results --confirm"
        )
    code = 0
    with composer(conf) as c:
        for comparison in chosen:
            labels = dict.fromkeys([comparison.baseline, *(choice.chosen for choice in comparison.choices)])
            arms = {str(label): made.configs[comparison.run_of(str(label))] for label in labels}
            seeds = fresh([s for choice in comparison.choices for s in choice.seeds])
            plan, commands = confirm.plan(str(comparison.baseline), arms, seeds, str(paths[0]), c)
            for words in commands:
                shown.note(f"dropbench sweep {' '.join(map(quoted, words))}")
            code = max(code, _swept(plan, shown, conf))
    return code


def list_options(what: str | None, conf: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    from dropbench.config.options import options

    if what is not None and what not in _SECTIONS:
        raise UsageError(f"list {what}: there is no such section; {nearest(what, _SECTIONS)}")
    found = {
        section: {name: _headline(file) for name, file in options(group, [c.resolve() for c in conf]).items()}
        for section, group in _SECTIONS.items()
        if what in (None, section)
    }
    shown = Shown(quiet, as_json)
    if as_json:
        shown.json(found)
    else:
        shown.options(found)
    return 0


def _headline(file: Path) -> str:
    """An option's line: the comment that opens its file."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _config(composed: Composed) -> dict[str, Any]:
    """All of it under the names that the command line uses."""
    settings = composed.settings.model_dump(mode="json")
    tree = composed.spec.as_dict() | {key: settings[key] for key in ("device", "results", "execute")}
    tree["data"] |= {"root": settings["data_root"], "download": settings["data_download"]}
    tree["train"]["loggers"] = settings["train_loggers"]
    return tree


def _store(plan: Plan) -> Store:
    from dropbench.store import Store

    return Store(plan.settings.results)


@dataclass(frozen=True)
class _Work:
    """What is to be trained, and by what."""

    cohorts: list[list[RunSpec]]
    device: str
    workers: int


def _work(specs: Sequence[RunSpec], plan: Plan) -> _Work:
    """Raises UsageError for a device that is not here, and for a logger that is not."""
    from dropbench.execute.cohorts import cohorts
    from dropbench.execute.sizes import Sizes
    from dropbench.hardware.device import resolve_device, resolve_workers
    from dropbench.loggers import check

    check(plan.settings.train_loggers)
    device = resolve_device(plan.settings.device)
    workers = resolve_workers(plan.settings, device)
    groups = cohorts(specs, plan.outlines, plan.settings, device, workers, Sizes(plan.settings, device, workers))
    return _Work(groups, device, workers)


def _execute(plan: Plan, work: _Work, store: Store, shown: Shown) -> list[Stored]:
    """Trains and stores. Raises Interrupted where the user stops it."""
    from dropbench.execute.local import execute, unfinished

    specs = [s for group in work.cohorts for s in group]
    arms = arm_names(plan, specs)
    stored: list[Stored] = []
    try:
        with (
            _loggers(plan, specs, arms, store, shown) as loggers,
            shown.progress(work.cohorts, arms) as watch,
            closing(
                execute(work.cohorts, plan.settings, work.device, work.workers, store, loggers.beside(watch.listen))
            ) as ended,
        ):
            for one in ended:
                stored.append(one)
                watch.finished(one)
                loggers.finished(one)
    except KeyboardInterrupt:
        done = len(specs) - len(unfinished(specs, store))
        raise Interrupted(
            f"Stopped: {done} of {len(specs)} runs had finished and are stored in {store.root}; "
            "the same command goes on from there"
            if len(specs) > 1
            else "Stopped before the run had finished: nothing of it is stored, and the same command starts it afresh"
        ) from None
    return stored


def _loggers(
    plan: Plan, specs: Sequence[RunSpec], arms: Mapping[str, str], store: Store, shown: Shown
) -> AbstractContextManager[Loggers]:
    """Raises UsageError on entry for a logger that cannot begin."""
    from dropbench import loggers
    from dropbench.planning.reproduce import settings

    names = plan.settings.train_loggers
    runs = [loggers.Run(s.run_id, arms[s.run_id], s.seed, settings(s.as_dict())) for s in specs] if names else []
    return loggers.opened(names, runs, store.root, plan.study, shown.warning)


def _stored_plan(plan: Plan) -> Any:
    from dropbench import store

    return store.Plan(
        plan_id=plan.plan_id,
        study=plan.study,
        question=plan.question,
        baseline=plan.baseline,
        arms=plan.arms,
        overrides=list(plan.overrides),
        runs=[s.run_id for s in plan.specs],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _counts(plan: Plan, store: Store) -> dict[str, Any]:
    from dropbench.store import Record

    records = [r for s in plan.specs if isinstance(r := store.find(s.run_id), Record)]
    statuses = [r.status for r in records]
    return {
        **{status: statuses.count(status) for status in ("completed", "diverged", "failed")},
        "skipped": list(plan.skipped),
        "results": str(store.root),
        "records": [asdict(r) for r in records],
    }
