"""`dropout=own`: the variants and rates that stand for the dropout in a user's network as it was written."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.config.several import OWN_RATES, USUAL
from dropbench.config.typed import setting
from dropbench.errors import UsageError, listed
from dropbench.hardware.blas import one_thread
from dropbench.planning.outline import Outline, outline
from dropbench.planning.sources import load
from dropbench.planning.trial import LATE
from dropbench.planning.variants import arm_rates, places, variant

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.spec import DropoutSpec, RunSpec

_Acting = dict[str, tuple[str | None, float]]
"""(variant, rate) by site."""
_TOLD = 4
"""The most sites that a warning names."""
_GIVEN = ("dropout.rate", "dropout.rates", "dropout.placement")


@dataclass(frozen=True)
class Kept:
    """words: simple overrides; empty if the network drops nothing. left: sites with a rate at which no variant can act."""

    words: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def with_own(overrides: Mapping[str, str], composer: Composer) -> dict[str, str]:
    """Returns simple overrides by key in which `dropout=own` is replaced by what it stands for in their model.

    Other keys of dropout are kept, but for rates and placement, which are the network's own. A variant of the user that is
    called `own` is left as it is.

    Raises
    ------
    UsageError
        If the network has no dropout, or some at a place where no variant can act.
    """
    if overrides.get("dropout") != f"dropout={OWN_RATES}" or OWN_RATES in composer.options("dropout"):
        return dict(overrides)
    rest = {k: text for k, text in overrides.items() if k != "dropout" and k not in _GIVEN}
    plain = {k: text for k, text in rest.items() if not k.startswith(("dropout.", "dropout/"))}
    composed = composer.compose({**plain, "dropout": f"dropout={USUAL}"})
    spec = composed.spec
    with one_thread():  # because the network is tried in a copy (fork) of this process
        found = outline(spec.model, load(spec.data, composed.settings), spec.train.says_variance)
    kept = keeping(found, composer)
    if kept.left:
        instead = (
            f"to keep its other rates, type {shlex.join(kept.words)}"
            if kept.words
            else f"choose a variant and a rate for all arms, such as dropout={USUAL} dropout.rate=0.5"
        )
        raise UsageError(
            f"dropout={OWN_RATES}: no variant does what model={spec.model.name} does at {listed(kept.left)}"
            f"{_why(found, kept)}; {instead}"
        )
    if not kept.words and found.own_noise:
        drawing = listed([part.removesuffix(LATE) for part in found.own_noise], _TOLD)
        raise UsageError(
            f"dropout={OWN_RATES}: model={spec.model.name} has no dropout layer with a rate above 0, and noise of its own "
            f"({drawing}), such as F.dropout, cannot be taken over: call an nn.Dropout in its forward"
        )
    if not kept.words:
        idle = " (torch's, in a recurrent network of one layer, does nothing)" if found.one_layer else ""
        raise UsageError(
            f"dropout={OWN_RATES}: model={spec.model.name} has no dropout with a rate above 0 of its own{idle}; "
            f"choose a variant and a rate, such as dropout={USUAL} dropout.rate=0.5"
        )
    return {**rest, "dropout": f"dropout={USUAL}", **{text.partition("=")[0]: text for text in kept.words}}


def _why(found: Outline, kept: Kept) -> str:
    """Returns the usual reasons, if it is for them that no variant can act."""
    if any(s.own_variant is None for s in found.sites if s.name in kept.left and s.kind == "activation"):
        return (
            " (its forward sets the rate, or the layer drops along an axis that is not the channels': nn.Dropout1d, 2d and 3d "
            "take the second axis)"
        )
    return ""


def replaced(specs: Iterable[RunSpec], outlines: Mapping[str, Outline]) -> Iterator[str]:
    """Yields a note for each user's network whose own dropout no arm has, although arms have other dropout in its place.

    outlines: that of each run's model, by run id.
    """
    by_model: dict[str, list[tuple[_Acting, _Acting]]] = {}
    for spec, own, at in _rates(specs, outlines):
        by_model.setdefault(spec.model.name, []).append((own, at))
    for model, rates in by_model.items():
        own = rates[0][0]
        if any(at for _, at in rates) and not any(at == theirs for theirs, at in rates):
            told = listed([f"{site} {rate:g}" for site, (_, rate) in own.items()], _TOLD)
            strange = [site for site, (name, _) in own.items() if name is None]
            remedy = f"; to compare the network as it was written, add dropout={OWN_RATES}"
            if strange:
                where = listed(strange, _TOLD)
                remedy = f": no variant does what the network does at {where}, so it cannot be compared as written"
            yield f"model={model} drops at rates of its own ({told}), which no arm here has{remedy}"


def as_written(specs: Iterable[RunSpec], outlines: Mapping[str, Outline]) -> set[str]:
    """Returns the arm ids of runs that drop as their network does as it was written: where, at which rates, by which variants.

    outlines: that of each run's model, by run id.
    """
    return {spec.arm_id for spec, own, at in _rates(specs, outlines) if own == at}


def _rates(specs: Iterable[RunSpec], outlines: Mapping[str, Outline]) -> Iterator[tuple[RunSpec, _Acting, _Acting]]:
    """Yields a run of each arm whose network has dropout itself, with what the network and the arm do."""
    for spec in {s.arm_id: s for s in specs if s.run_id in outlines}.values():
        sites = outlines[spec.run_id].sites
        if own := {s.name: (s.own_variant, s.own) for s in sites if s.own}:
            yield spec, own, {p.site: (p.name, p.rate) for p in places(spec.variants, sites) if p.rate}


def keeping(outline: Outline, composer: Composer) -> Kept:
    """Returns what to type so that each site has the noise that the network itself has there, and no other site any.

    outline: of the network; sites with dropout of its own have `own`. composer: knows the variants.
    """
    sites = outline.sites
    left = {s.name: s.own for s in sites if s.own is not None}
    if not any(left.values()):
        return Kept()
    chosen: dict[str, dict[str, Any]] = {}
    names = [s.own_variant for s in sites if left.get(s.name) and s.own_variant is not None]
    for name in sorted(dict.fromkeys(names), key=lambda name: name != USUAL):  # the usual one first
        spec = _variant(name, composer)
        mine = {
            s.name: left.pop(s.name)
            for s in sites
            if s.name in left and s.own_variant == name and variant(spec).supports(s) is None
        }
        if any(mine.values()):
            chosen[name] = _keys(spec, mine, outline)
    names = list(chosen)
    words = [f"dropout={_listed(names)}"]
    keys = ["dropout"] if len(names) == 1 else [f"dropout.{name}" for name in names]
    words += [
        setting(f"{key}.{last}", value)
        for key, settings in zip(keys, chosen.values(), strict=True)
        for last, value in settings.items()
    ]
    return Kept(tuple(words) if names else (), tuple(name for name, rate in left.items() if rate))


def _variant(name: str, composer: Composer) -> DropoutSpec:
    return composer.compose({"dropout": f"dropout={name}"}).spec.dropout


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"


def _keys(spec: DropoutSpec, own: Mapping[str, float], outline: Outline) -> dict[str, Any]:
    """Returns the shortest keys with which a variant acts at each site at its own rate, and at 0 wherever there is none."""
    ((usual, times),) = Counter(own.values()).most_common(1)
    everywhere = _completed({"*": usual}, spec, own, outline)
    if everywhere.keys() == {"*"}:
        return {"rate": usual}  # the same run as an arm that was typed with this rate
    return {"rates": everywhere if times > 1 else _completed({}, spec, own, outline)}


def _completed(
    common: Mapping[str, float], spec: DropoutSpec, own: Mapping[str, float], outline: Outline
) -> dict[str, float]:
    """Returns `rates` that begin with those in common."""
    rates = {**common, **{name: rate for name, rate in own.items() if rate != common.get("*")}}
    reached = arm_rates(spec.model_copy(update={"rates": rates, "placement": None}), outline.sites)
    return rates | {name: own.get(name, 0.0) for name, rate in reached.items() if rate != own.get(name, 0.0)}
