"""Finds stored runs of a plan's settings that have other ids, because they used other data or another version of user code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dropbench.spec import RunSpec
from dropbench.store import Record, Store
from dropbench.values import count


def of_other_data(specs: Sequence[RunSpec], store: Store) -> list[str]:
    """Returns a sentence for each reason, other data or other code, why stored runs of these settings are not part of the plan.

    Such runs are kept.
    """
    now = {s.setting_id: s for s in specs}
    told: Counter[str] = Counter()
    for record in store.of_settings(now, {s.run_id for s in specs}):
        if why := _other(record, now[record.setting_id]):
            told[why] += 1
    return [
        f"{count(n, 'run')} of this setting {'was' if n == 1 else 'were'} made {why}; "
        f"{'it is' if n == 1 else 'they are'} kept and not compared"
        for why, n in told.items()
    ]


def _other(record: Record, spec: RunSpec) -> str | None:
    if record.data_fingerprint not in (None, spec.data_fingerprint):
        return "from other data"
    changed = sorted(name for name, source in spec.sources.items() if record.sources.get(name, source) != source)
    return f"by other code of {', '.join(changed)}" if changed else None
