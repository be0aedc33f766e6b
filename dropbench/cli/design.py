"""What a plan could find, before any of it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec


@dataclass(frozen=True)
class Design:
    """The comparison of a plan that has most arms.

    Parameters
    ----------
    seeds : int
        That all of its arms have.
    arms : int
        Beside the baseline.
    effect : float
        The true difference that is confirmed in four of five such studies, in standard deviations of the differences between
        seeds; NaN where nothing can be.
    """

    seeds: int
    arms: int
    effect: float

    def __str__(self) -> str:
        """As a sentence of `--dry-run`."""
        beside = f"{count(self.seeds, 'seed')}, {count(self.arms, 'arm')} beside the baseline"
        if self.effect != self.effect:
            return f"{beside}: nothing can be confirmed, which takes six seeds, such as 'seed=range(0,6)'"
        return (
            f"{beside}: confirms a true difference of about {self.effect:.1f} times the standard deviation of such "
            f"differences between seeds (and the region beyond which one matters) in four of five studies"
        )


def design(plan: Plan) -> Design | None:
    """Of the runs of a plan, finished ones too; None where there is one arm only, and nothing to compare."""
    from dropbench.report.statistics.interval import MIN_PAIRS
    from dropbench.report.statistics.power import findable

    seeds = max(_comparisons(plan), key=len, default={})
    if len(seeds) < 2:
        return None
    common = len(set.intersection(*map(set, seeds.values())))
    arms = len(seeds) - 1
    return Design(common, arms, findable(common, arms) if common >= MIN_PAIRS else float("nan"))


def _comparisons(plan: Plan) -> Sequence[Mapping[str, Sequence[int]]]:
    """The seeds of each arm, by arm: of a study its arms, else of what shares model and data."""
    by_setting: dict[str, dict[str, list[int]]] = {}
    names = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = {spec.kin: _setting(spec, plan) for spec in {spec.kin: spec for spec in plan.specs}.values()}
    for spec in plan.specs:
        arm = names.get(spec.run_id, spec.arm_id)
        by_setting.setdefault(settings[spec.kin], {}).setdefault(arm, []).append(spec.seed)
    return [*by_setting.values()]


def _setting(spec: RunSpec, plan: Plan) -> str:
    return "" if plan.study else f"{spec.model.model_dump_json()} {spec.data.model_dump_json()}"
