"""`dropbench sweep --extend train.epochs=60`: checks that finished runs can be trained further, or says why they cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropbench.errors import UsageError
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.planning.continuing import Course
    from dropbench.spec import RunSpec
    from dropbench.store import Store

_KEY = "train.epochs="


def extended(overrides: Sequence[str], extend: str) -> list[str]:
    """Return the overrides of the longer runs. Raises UsageError for anything other than a new number of epochs."""
    number = extend.removeprefix(_KEY)
    if not extend.startswith(_KEY) or not number.isdecimal() or not int(number):
        raise UsageError(
            f"--extend {extend}: only the number of epochs of finished runs can be changed; type --extend {_KEY}60"
        )
    return [*(text for text in overrides if not text.startswith(_KEY)), extend]


def check(longer: Course, shorter: Course) -> None:
    """Check that each unfinished run of the longer sweep can continue from a finished run of the shorter sweep.

    Parameters
    ----------
    longer, shorter : Course
        The sweep with the new number of epochs, and the sweep as it was typed without it.

    Raises
    ------
    UsageError
        If any run cannot: how many, why, and what to type instead.
    """
    from dropbench.engine.longer import of_any_length
    from dropbench.execute.checkpoint import of_fewer_epochs
    from dropbench.execute.environment import made_with
    from dropbench.execute.executors import here
    from dropbench.execute.products import settled
    from dropbench.hardware.blas import choose
    from dropbench.store import Store

    if longer.rule is not None:
        raise UsageError(
            "--extend continues the runs of a plain sweep: leave out --tune and --until-settled, or choose a study without "
            "search and pilot"
        )
    plan, before = longer.first, {of_any_length(s).run_id: s for s in shorter.first.specs}
    as_typed = {s.run_id for s in before.values()}
    store, device = Store(plan.settings.results), here(plan.settings)
    settings, _ = settled(plan.settings, device, trains=False)
    choose(settings.execute.products)
    todo = [s for s in plan.specs if s.run_id in as_typed or not store.is_done(s.run_id)]
    made = made_with(device, settings.execute.threads)
    kept = of_fewer_epochs(todo, settings, made)
    reasons: Counter[str] = Counter()
    for spec in todo:
        if of_any_length(spec).run_id not in kept and (
            why := _why_not(before.get(of_any_length(spec).run_id), spec, store)
        ):
            reasons[why] += 1
    if reasons:
        raise UsageError(
            "\n".join(f"--extend: {count(n, 'run')} cannot be continued: {why}" for why, n in reasons.items())
        )


def _why_not(short: RunSpec | None, longer: RunSpec, store: Store) -> str | None:
    """Return why a run without a kept shorter run cannot continue; None if it ends early anyway, as the shorter one did."""
    from dropbench.engine.longer import differs

    anew = f"type train.epochs={longer.train.epochs} in place of --extend to train them from the beginning"
    if short is None:
        return f"the sweep without --extend has no run that differs only in its epochs; {anew}"
    if short.train.epochs >= longer.train.epochs:
        return f"they already have {short.train.epochs} epochs; type a larger number"
    if (what := differs(short, longer)) is not None:
        return f"{what}, so the first {short.train.epochs} of {longer.train.epochs} epochs would have been different; {anew}"
    record = store.finished(short.run_id)
    if record is None:
        return (
            f"they are not finished at {short.train.epochs} epochs; first type the same command without --extend and with "
            "train.extendable=true"
        )
    if record.status == "diverged" or record.epochs_run < short.train.epochs:
        return None  # the longer run ends in the same way, at the same epoch
    return (
        "their final state was not kept, or was kept by other versions of dropbench, torch or NumPy, or on another kind of "
        f"device; {anew}, and train.extendable=true beside it to keep it"
    )
