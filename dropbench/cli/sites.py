"""`dropbench list sites`: where noise may act in a model on some data, and the rates that a user's network has there itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.config.typed import setting
from dropbench.values import written

if TYPE_CHECKING:
    from dropbench.planning.outline import Outline

_MOST = 12
"""Parts that are named."""
_HEADS = ("site", "kind", "axes", "shape", "own rate", "here")


def list_sites(overrides: Sequence[str], conf: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    """Shows the sites of the model that these overrides choose, on the data that they choose. Returns the exit code, 0.

    `here` is the rate that the variant and placement of the same overrides give a site. Raises UsageError as `train` does.
    """
    from dropbench.config.compose import composer
    from dropbench.hardware.blas import one_thread
    from dropbench.planning.outline import outline
    from dropbench.planning.plan import compose_one
    from dropbench.planning.sources import load
    from dropbench.planning.variants import arm_rates, variant

    with one_thread():  # a user's network is tried in a copy of this process
        with composer(conf) as c:
            composed = compose_one(overrides, c)
        spec = composed.spec
        found = outline(spec.model, load(spec.data, composed.settings))
        here = arm_rates(spec.dropout, found.sites)
        able = [s.name for s in found.sites if variant(spec.dropout).supports(s) is None]
    rows = {
        s.name: {"kind": s.kind, "axes": s.axes, "shape": list(s.shape), "own": s.own, "rate": here.get(s.name)}
        for s in found.sites
    }
    shown = Shown(quiet, as_json)
    if as_json:
        whole: dict[str, Any] = {"sites": rows, "view": found.view, "shape": list(found.shape)}
        shown.json(whole | {"own_noise": list(found.own_noise), "idle": list(found.idle)})
        return 0
    table = [
        _HEADS,
        *((name, *(_cell(row[key]) for key in ("kind", "axes", "shape", "own", "rate"))) for name, row in rows.items()),
    ]
    used = [i for i, head in enumerate(_HEADS) if head != "own rate" or any(row[i] for row in table[1:])]
    widths = [max(len(row[i]) for row in table) for i in used]
    if not quiet:
        for row in table:
            shown.out("  ".join(row[i].ljust(w) for i, w in zip(used, widths, strict=True)).rstrip())
        for line in _notes(spec.dropout.name, able, found):
            shown.note(line)
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return "" if value is None else written(value)


def _notes(variant: str, able: Collection[str], found: Outline) -> list[str]:
    notes = [
        f"here: the rate of dropout={variant} as it is placed; a site is named in dropout.placement and dropout.rates"
    ]
    if own := _own_rates({s.name: s.own or 0.0 for s in found.sites if s.own is not None and s.name in able}):
        notes.append(f"its own rates, to be typed: {setting('dropout.rates', own)}")
    if found.idle:
        notes.append(f"never called as a module, and so off in every arm: {', '.join(found.idle)}")
    if found.own_noise:
        notes.append(f"draws random numbers of its own, in every arm: {', '.join(found.own_noise)}")
    if found.parts:
        more = f" and {len(found.parts) - _MOST} more" if len(found.parts) > _MOST else ""
        notes.append(f"parts behind which model.sites may place more: {', '.join(found.parts[:_MOST])}{more}")
    return notes


def _own_rates(own: Mapping[str, float]) -> dict[str, float]:
    """The same, with the most frequent rate for all that are not named; empty where nothing drops."""
    if not any(own.values()):
        return {}
    ((usual, count),) = Counter(own.values()).most_common(1)
    if count < 2:
        return dict(own)
    return {"*": usual} | {name: rate for name, rate in own.items() if rate != usual}
