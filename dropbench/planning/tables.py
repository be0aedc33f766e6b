"""The tables of a plan: of a study from several plans, of a grid, and of either without some of its arms."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from dropbench import identity
from dropbench.planning.plan import Plan
from dropbench.spec import RunSpec
from dropbench.values import flatten

Tables = dict[str, dict[str, list[str]]]
"""{setting id: {arm: run ids}}, as a plan holds them."""
_OF_ARMS = ("dropout.", f"{identity.BESIDE}.", *(f"train.{name}" for name in identity.OFF))
"""Prefixes of the keys in which the arms of a grid may differ: the keys of regularizers."""


def of_study(parts: Sequence[Plan], kept: Collection[tuple[str | None, str]]) -> Tables:
    """Returns the tables of a study, by merging corresponding tables of several plans.

    Each is named by the setting id of its baseline or, if that could not be planned, of its first arm.
    """
    setting_ids = {s.run_id: s.setting_id for part in parts for s in part.specs}
    found: Tables = {}
    for several in zip(*(part.tables.values() for part in parts), strict=True):
        names = dict.fromkeys(name for of in several for name in of)
        arms = {name: [r for of in several for r in of.get(name, ()) if (name, r) in kept] for name in names}
        first = next(iter(arms.get(parts[0].baseline) or itertools.chain(*arms.values())), None)
        if first is not None:
            found[setting_ids[first]] = arms
    return found


def of_grid(specs: Iterable[RunSpec], called: Mapping[str, str], tuned: Collection[str]) -> Tables:
    """Returns the tables of runs without a study: the arms of a table differ only in regularizers and in what was tuned.

    called: the names of arms by their ids. A table is named by the setting id of its first arm, because a report itself finds
    the baseline of a grid.
    """
    of_tables: dict[str, list[RunSpec]] = {}
    for spec in specs:
        flat = flatten(spec.as_dict())
        rest = {
            k: v for k, v in flat.items() if not (k in tuned or k == "seed" or k.startswith((*_OF_ARMS, "metric.")))
        }
        of_tables.setdefault(json.dumps(rest, sort_keys=True), []).append(spec)
    found: Tables = {}
    for several in of_tables.values():
        arms = found.setdefault(several[0].setting_id, {})
        for spec in several:
            arms.setdefault(called[spec.arm_id], []).append(spec.run_id)
    return found


def baselines(plan: Plan) -> set[str]:
    """Returns the ids of the arms with which others may be compared: a study's baseline.

    For a grid, these are the arms that drop nothing and have the fewest other regularizers, as in a report.
    """
    if plan.study:
        named = {run for table in plan.tables.values() for run in table.get(plan.baseline, ())}
        return {s.arm_id for s in plan.specs if s.run_id in named}
    beside = {
        s.arm_id: len(list(identity.regularizers(s.as_dict()))) for s in plan.specs if all(v.silent for v in s.variants)
    }
    return {arm for arm, n in beside.items() if n == min(beside.values())}


def without(plan: Plan, lost: Collection[str], *, keep: Collection[str] = ()) -> Plan:
    """Returns a plan without these arms, and without tables that then have nothing left to compare.

    That is a table with only one arm left, or with none of its baselines.

    Parameters
    ----------
    plan : Plan
        A plan whose arms are compared under the same seeds.
    lost : collection of str
        Ids of the arms to remove.
    keep : collection of str
        Ids of runs that stay although their arm is removed, because they have been tried.
    """
    if not lost:
        return plan
    arm_of = {s.run_id: s.arm_id for s in plan.specs}
    bases = baselines(plan)
    left: set[str] = set()
    for table in (plan.tables or of_grid(plan.specs, {arm: arm for arm in arm_of.values()}, ())).values():
        there = [run for runs in table.values() for run in runs]
        arms = {arm_of[run] for run in there}
        rest = arms.difference(lost)
        if len(rest) > 1 and (bases.isdisjoint(arms) or not bases.isdisjoint(rest)):
            left.update(run for run in there if arm_of[run] in rest)
    return part_of(plan, left | set(keep))


def part_of(plan: Plan, kept: Collection[str]) -> Plan:
    """Returns the part of a plan that has these runs, by their ids; without tables and arms that have none of them."""
    return replace(
        plan,
        specs=tuple(s for s in plan.specs if s.run_id in kept),
        tables={
            name: found
            for name, table in plan.tables.items()
            if (found := {arm: runs for arm, of in table.items() if (runs := [r for r in of if r in kept])})
        },
        outlines={run: outline for run, outline in plan.outlines.items() if run in kept},
        failed={run: reason for run, reason in plan.failed.items() if run in kept},
    )
