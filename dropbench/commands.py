"""What each command does, between parsing and showing. Each function returns the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError, nearest
from dropbench.show import Shown

if TYPE_CHECKING:
    from dropbench.execute.local import Stored
    from dropbench.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store

_SECTIONS = {"variants": "dropout", "models": "model", "data": "data", "studies": "study", "metrics": "metric"}


def train(words: Sequence[str], conf: Sequence[Path], *, cfg: bool, as_json: bool, quiet: bool) -> int:
    from dropbench.config import composer
    from dropbench.plan import compose_one, single

    shown = Shown(quiet, as_json)
    with composer(conf) as c:
        if cfg:
            shown.out(_config(compose_one(words, c)))
            return 0
        plan = single(words, c)
    store = _store(plan)
    spec = plan.specs[0]
    if store.is_done(spec.run_id):
        shown.note(f"run {spec.run_id} is finished already; its record is shown again")
        record, folder = store.find(spec.run_id), store.root / "runs" / spec.run_id
    else:
        (stored,) = _execute(plan, [spec], store, shown)
        record, folder = stored.record, stored.folder
    shown.run(record, folder)
    return 1 if getattr(record, "status", "failed") == "failed" else 0


def sweep(words: Sequence[str], conf: Sequence[Path], *, dry_run: bool, as_json: bool, quiet: bool) -> int:
    from dropbench.config import composer
    from dropbench.execute.local import unfinished
    from dropbench.plan import make

    shown = Shown(quiet, as_json)
    with composer(conf) as c:
        plan = make(words, c)
    store = _store(plan)
    todo = unfinished(plan.specs, store)
    shown.plan(plan, len(todo))
    if dry_run:
        return _dry_run(plan, todo, shown)
    store.write_plan(_stored_plan(plan))
    stored = _execute(plan, todo, store, shown) if todo else []
    failed = [s for s in stored if s.record.status == "failed"]
    for one in failed:
        shown.error(f"run {one.record.run_id} failed: {one.record.reason}; see {one.folder / 'traceback.txt'}")
    if as_json:
        shown.json({"plan_id": plan.plan_id, "runs": [s.run_id for s in plan.specs], **_counts(plan, store)})
    else:
        from dropbench.report import for_runs, show

        if not quiet:
            show(for_runs(store, [s.run_id for s in plan.specs], plan.arms, plan.baseline), shown.console)
    return 1 if failed else 0


def report(what: Sequence[str], fmt: str, out: Path | None, baseline: str | None, *, quiet: bool) -> int:
    from dropbench.report import FORMATS, build, render, show

    shown = Shown(quiet, as_json=False)
    if fmt not in FORMATS:
        raise UsageError(f"--format {fmt}: {nearest(fmt, FORMATS)}")
    # A word with `=` that is no file is a filter; `a=b/` may be a folder.
    paths = [Path(w) for w in what if "=" not in w or Path(w).exists()]
    made = build(paths, [w for w in what if "=" in w and not Path(w).exists()], baseline)
    if out is not None:
        text = render(made, fmt)
        try:
            out.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}; choose a file in a folder that can be written") from error
        shown.note(f"written to {out}")
    elif fmt == "rich":
        show(made, shown.console)
    else:
        shown.out(render(made, fmt))
    return 0


def list_options(what: str | None, conf: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    from dropbench.config import options

    if what is not None and what not in _SECTIONS:
        raise UsageError(f"list {what}: {nearest(what, _SECTIONS)}")
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


def _config(composed: Any) -> str:
    from omegaconf import OmegaConf

    settings = composed.settings
    tree = composed.spec.as_dict() | {
        "device": settings.device,
        "results": str(settings.results),
        "execute": settings.execute.model_dump(mode="json"),
    }
    tree["data"] |= {"root": str(settings.data_root), "download": settings.data_download}
    return str(OmegaConf.to_yaml(OmegaConf.create(tree))).rstrip()


def _store(plan: Plan) -> Store:
    from dropbench.store import Store

    return Store(plan.settings.results)


def _execute(plan: Plan, specs: Sequence[RunSpec], store: Store, shown: Shown) -> list[Stored]:
    from dropbench.execute.device import resolve_device, resolve_workers
    from dropbench.execute.local import execute

    device = resolve_device(plan.settings.device)
    workers = resolve_workers(plan.settings, device)
    groups = _cohorts(plan, specs, device, workers)
    with shown.progress(specs, len(groups)) as watch:
        stored = []
        for one in execute(groups, plan.settings, device, workers, store, watch.listen):
            stored.append(one)
            watch.finished(one)
    return stored


def _cohorts(plan: Plan, specs: Sequence[RunSpec], device: str, workers: int) -> list[list[RunSpec]]:
    from dropbench.cohorts import cohorts

    return cohorts(specs, plan.outlines, plan.settings, device, workers)


def _dry_run(plan: Plan, todo: Sequence[RunSpec], shown: Shown) -> int:
    from dropbench.execute.device import resolve_device, resolve_workers
    from dropbench.execute.estimate import estimate

    device = resolve_device(plan.settings.device)
    workers = resolve_workers(plan.settings, device)
    groups = _cohorts(plan, todo, device, workers)
    shown.dry_run(
        plan, todo, groups, device, min(workers, len(groups)), estimate(groups, plan.settings, device, workers)
    )
    return 0


def _stored_plan(plan: Plan) -> Any:
    from dropbench import store

    return store.Plan(
        plan_id=plan.plan_id,
        study=plan.study,
        question=plan.question,
        baseline=plan.baseline,
        arms=plan.arms,
        overrides=list(plan.overrides),
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
