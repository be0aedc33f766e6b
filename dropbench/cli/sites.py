"""`dropbench list sites`: where noise can act in a model, and the dropout rates that a user's network itself has there."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.errors import listed
from dropbench.values import AND, written

if TYPE_CHECKING:
    from dropbench.planning.outline import Outline
    from dropbench.planning.own_rates import Kept

_MOST = 12
"""The most parts that are named."""
_HEADS = ("site", "kind", "axes", "shape", "own rate", "here")


def list_sites(overrides: Sequence[str], conf: Sequence[Path], *, as_json: bool, quiet: bool) -> int:
    """Print the sites of the model and data that the overrides choose. Return the exit code, 0.

    `here` is the rate that the variant and placement of the same overrides give a site. Raises UsageError as `train` does.
    """
    from dropbench.config.compose import composer
    from dropbench.hardware.blas import one_thread
    from dropbench.planning.outline import outline
    from dropbench.planning.own_rates import keeping
    from dropbench.planning.plan import compose_one
    from dropbench.planning.sources import load
    from dropbench.planning.variants import places, variant

    with one_thread(), composer(conf) as c:  # because a user's network is tried in a copy (fork) of this process
        composed = compose_one(overrides, c)
        spec = composed.spec
        found = outline(spec.model, load(spec.data, composed.settings))
        kept = keeping(found, c)
        at: dict[str, dict[str, float]] = {}
        for p in places(spec.variants, found.sites):
            at.setdefault(p.site, {})[p.name] = p.rate
        here: dict[str, Any] = {s: next(iter(r.values())) if len(spec.variants) == 1 else r for s, r in at.items()}
        able = [s.name for s in found.sites if any(variant(v).supports(s) is None for v in spec.variants)]
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
        for line in _notes([v.name for v in spec.variants], able, found, kept):
            shown.note(line)
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    if isinstance(value, Mapping):
        return AND.join(f"{name} {rate:g}" for name, rate in value.items())
    return "" if value is None else written(value)


def _notes(variants: Sequence[str], able: Collection[str], found: Outline, kept: Kept) -> list[str]:
    if len(variants) == 1:
        shown, keys = f"the rate of dropout={variants[0]} with this placement", "dropout.placement and dropout.rates"
    else:
        shown = f"the rates of dropout=[{','.join(variants)}] with this placement, in the order in which they act"
        keys = f"dropout.{variants[0]}.placement, dropout.{variants[0]}.rates and so on"
    notes = [f"here: {shown}; name sites in {keys}"]
    if asked := [s.name for s in found.sites if s.asked and s.name in able]:
        notes.append(
            f"these sites get noise only if they are named there, and `*` does not name them: {', '.join(asked)}"
        )
    if kept.words:
        notes.append(f"to keep the network's own dropout, type dropout=own, or in full: {shlex.join(kept.words)}")
    if kept.left:
        notes.append(f"no variant does what the network itself does at: {', '.join(kept.left)}")
    if found.idle:
        notes.append(f"dropout that is never called as a module, and so is off in every arm: {', '.join(found.idle)}")
    if found.own_noise:
        notes.append(f"draws random numbers of its own, in every arm: {', '.join(found.own_noise)}")
    if found.parts:
        notes.append(f"model.sites can add sites after these parts: {listed(found.parts, _MOST)}")
    return notes
