"""`dropbench train`: trains one run, or prints its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.dry_run import DryRun, show
from dropbench.cli.measuring import left_to_train
from dropbench.cli.repeated import Repeated
from dropbench.cli.training import trained
from dropbench.cli.work import arranged
from dropbench.execute.failure_policy import LENIENT, FailurePolicy
from dropbench.settings import OF_RAY, OF_TRAIN, RAY
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.config.compose import Composed
    from dropbench.planning.plan import Plan
    from dropbench.store import Record, Skipped


def train(
    overrides: Sequence[str],
    conf: Sequence[Path],
    *,
    retries: int,
    force: bool,
    cfg: bool,
    again: str | None,
    as_json: bool,
    quiet: bool,
    dry_run: bool = False,
) -> int:
    """Train the run unless it is finished already, and show its record. Return the exit code: 1 if it failed.

    again: a stored run to repeat. dry_run: only show what would be trained.
    """
    from dropbench.config.compose import composer
    from dropbench.planning.plan import compose_one, single

    shown = Shown(quiet, as_json)
    stored_run = None if again is None else Repeated.of(again, overrides)
    if stored_run is not None:
        overrides = stored_run.overrides(conf)
    with composer(conf) as c:
        if cfg:
            shown.config(_config(compose_one(overrides, c)))
            return 0
        plan = single(overrides, c)
    spec = plan.specs[0]
    for note in stored_run.changed(spec) if stored_run is not None else ():
        shown.note(note)
    if dry_run:
        _would_train(plan, conf, shown, force=force)
        return 0
    record, folder = one_run(plan, conf, shown, FailurePolicy(retries), force=force)
    shown.run(record, folder)
    return 1 if getattr(record, "status", "failed") == "failed" else 0


def _would_train(plan: Plan, conf: Sequence[Path], shown: Shown, *, force: bool) -> None:
    from dropbench.execute.local import unfinished
    from dropbench.store import Store

    store = Store(plan.settings.results)
    todo = unfinished(plan.specs, store, conf, force=force)
    if not force:
        todo = left_to_train(todo, plan, store, shown, dry_run=True)
    shown.warnings(plan)
    todo = [spec for spec in todo if spec.run_id not in plan.failed]
    show(DryRun(), todo, arranged(todo, plan), (plan, plan), lambda: None, shown)


def one_run(
    plan: Plan, conf: Sequence[Path], shown: Shown, policy: FailurePolicy = LENIENT, *, force: bool = False
) -> tuple[Record | Skipped | None, Path]:
    """Train a plan's only run unless it is finished, and return its record and folder. force: train a finished run too."""
    from dropbench.cli.on_slurm import trains_here
    from dropbench.execute.agenda import marks
    from dropbench.execute.earlier import of_other_data
    from dropbench.execute.local import unfinished
    from dropbench.store import Store

    trains_here(plan)
    spec = plan.specs[0]
    store = Store(plan.settings.results, replacing=[spec.run_id] if force else ())
    before = marks([spec], store)
    todo = unfinished([spec], store, conf, force=force)
    if not force:
        todo = left_to_train(todo, plan, store, shown)
    if not todo:
        shown.note(f"run {spec.run_id} is finished already; its record is shown again (--force trains it once more)")
        return store.find(spec.run_id), store.folder(spec.run_id)
    for note in of_other_data(todo, store):
        shown.note(note)
    shown.warnings(plan)
    # One worker, because there is no other run that a crash of this one could harm.
    work = replace(arranged(todo, plan, trains=True), workers=1)
    for note in work.notes:
        shown.note(note)
    (stored,) = trained(plan, work, store, shown, policy, before)
    _say_of_few(stored.record.n.get("test", _FEW), shown)
    return stored.record, stored.folder


_FEW = 30
"""Of fewer test examples than this, the standard error of an accuracy can be 9 points and more."""


def _say_of_few(tested: int, shown: Shown) -> None:
    """Warn if a run was tested on so few examples that its scores say next to nothing."""
    if 0 < tested < _FEW:
        shown.warning(
            f"the test scores are of {count(tested, 'example')}, so they say next to nothing: one answer more or less is "
            f"{100 / tested:.0f} % of them; test more, with a larger data.test_fraction, or type dropbench sweep with "
            "'seed=range(0,20)', whose seeds test different examples"
        )


def _config(composed: Composed) -> dict[str, Any]:
    """Return the whole configuration under the names that the command line uses."""
    settings = composed.settings.model_dump(mode="json")
    tree = composed.spec.as_dict() | {key: settings[key] for key in ("device", "results", "execute")}
    execute = composed.settings.execute
    others = {"slurm": execute.slurm is None, **dict.fromkeys(OF_RAY, execute.name != RAY)}
    # Keys that only other executors use are left out.
    tree["execute"] = {key: value for key, value in tree["execute"].items() if not others.get(key)}
    tree["data"] |= {"root": settings["data_root"], "download": settings["data_download"]}
    tree["train"] |= {key: settings[f"train_{key}"] for key in OF_TRAIN}
    tree["eval"]["keep"] = settings["eval_keep"]
    return tree
