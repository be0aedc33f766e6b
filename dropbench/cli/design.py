"""What a plan could detect, computed before any of it trains."""

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
    """The comparison of a plan that has the most arms, and the effect that it could detect.

    Parameters
    ----------
    seeds : int
        The number of seeds that all of its arms share.
    arms : int
        The number of arms beside the baseline.
    effect : float
        The true difference that four of five such studies would confirm, in standard deviations of the differences between
        seeds; NaN if nothing can be confirmed.
    """

    seeds: int
    arms: int
    effect: float

    def __str__(self) -> str:
        """Return the sentence that `--dry-run` prints."""
        beside = f"{count(self.seeds, 'seed')}, {count(self.arms, 'arm')} beside the baseline"
        if self.effect != self.effect:
            return f"{beside}: nothing can be confirmed with fewer than six seeds; type 'seed=range(0,6)'"
        return (
            f"{beside}: such a study confirms a difference four times in five if it exceeds what matters by {self.effect:.1f} "
            "times the spread (sd) of the difference from seed to seed"
        )


def design(plan: Plan) -> Design | None:
    """Return the design of a plan, finished runs included; None if there is only one arm, and so nothing to compare."""
    from dropbench.report.statistics.interval import MIN_PAIRS
    from dropbench.report.statistics.power import findable

    seeds = max(_comparisons(plan), key=len, default={})
    if len(seeds) < 2:
        return None
    common = len(set.intersection(*map(set, seeds.values())))
    arms = len(seeds) - 1
    return Design(common, arms, findable(common, arms) if common >= MIN_PAIRS else float("nan"))


def _comparisons(plan: Plan) -> Sequence[Mapping[str, Sequence[int]]]:
    """Return the seeds of each arm for each comparison: of all arms of a study, or of the arms with one model and data set."""
    by_setting: dict[str, dict[str, list[int]]] = {}
    names = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = {spec.kin: _setting(spec, plan) for spec in {spec.kin: spec for spec in plan.specs}.values()}
    for spec in plan.specs:
        arm = names.get(spec.run_id, spec.arm_id)
        by_setting.setdefault(settings[spec.kin], {}).setdefault(arm, []).append(spec.seed)
    return [*by_setting.values()]


def _setting(spec: RunSpec, plan: Plan) -> str:
    return "" if plan.study else f"{spec.model.model_dump_json()} {spec.data.model_dump_json()}"
