"""Searches the best setting of each arm among random settings, and gives up the worse ones early.

All arms with a space try the same number of settings under the same seeds, and the mean on validation data decides. A run of a
rung ends after some of its epochs, but its schedules are those of the full number of epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbench.config import sweeps
from dropbench.config.search_spec import EVERY, Distribution, SearchSpec, distribution
from dropbench.config.typed import setting
from dropbench.data.raw_draws import bit_generator, unit
from dropbench.errors import UsageError, nearest
from dropbench.planning.ingredients import met, plain, without_each
from dropbench.planning.plan import Plan, make
from dropbench.planning.tuning import LOSS, SIGNS, Find, Key, ranked, tried
from dropbench.seeds import typed as typed_seeds
from dropbench.store import FINISHED, Record, Tuned
from dropbench.values import written

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.config.study_spec import StudySpec
    from dropbench.spec import RunSpec

Settings = list[dict[str, Any]]
Space = dict[str, tuple[str, Distribution]]
"""For each key: the arm or EVERY, whose name seeds the draws, and the distribution."""


@dataclass(frozen=True)
class Searching:
    """A search of settings, with its seeds and the comparison that follows it.

    Parameters
    ----------
    study : StudySpec
        The study, which has a search.
    seeds, reporting : sequence of int
        The seeds of the search, and those of the comparison.
    overrides : tuple of str
        The typed overrides without seeds.
    composer : Composer
        Knows the options.
    most : int
        The most runs of a stage.
    typed : tuple of str
        The typed overrides including seeds, which the plans store.
    """

    study: StudySpec
    seeds: Sequence[int]
    reporting: Sequence[int]
    overrides: tuple[str, ...]
    composer: Composer
    most: int = sweeps.MOST_RUNS
    typed: tuple[str, ...] = ()
    _made: dict[str, Plan] = field(default_factory=dict, repr=False)

    @property
    def spec(self) -> SearchSpec:
        """The study's search."""
        assert self.study.search is not None
        return self.study.search

    @property
    def rule(self) -> dict[str, Any]:
        """What determines the runs, as the plan stores it."""
        return self.spec.rule

    @property
    def called(self) -> list[str]:
        """The names of its stages."""
        n = self.spec.rungs
        return ["search"] if n == 1 else [f"search, rung {i + 1} of {n}" for i in range(n)]

    @cached_property
    def candidates(self) -> dict[str, Settings]:
        """The distinct settings of each arm that are tried, in order."""
        return {arm: settings_of(self.spec, arm) for arm in self.study.arms}

    def known(self, ended: Find) -> dict[str, Settings]:
        """Returns the settings that are known by now, in order; here all are known from the start."""
        return self.candidates

    @property
    def plan(self) -> Plan:
        """The plan of the first rung or batch."""
        return self.stages(lambda run: None)[0]

    def stages(self, ended: Find) -> list[Plan]:
        """Returns the plans of the rungs that are known."""
        kept: Mapping[str, Sequence[int]] = {arm: range(len(several)) for arm, several in self.candidates.items()}
        plans = []
        for rung in range(self.spec.rungs):
            plans.append(self._rung(rung, kept))
            if any(ended(s.run_id) is None for s in plans[-1].specs):
                break
            kept = self._best(plans[-1], kept, ended)
        return plans

    def later(self, known: int) -> list[Plan]:
        """Returns the rungs after the first `known`, with the first settings of each arm: as many runs as there will be."""
        places = {arm: range(len(several)) for arm, several in self.candidates.items()}
        plans = []
        for rung in range(1, self.spec.rungs):
            places = {arm: range(max(1, round(len(kept) / self.spec.eta))) for arm, kept in places.items()}
            plans += [self._rung(rung, places)] if rung >= known else []
        return plans

    def perhaps(self, known: int) -> list[Plan]:
        """Returns an empty list: all stages are known to come."""
        return []

    def chosen(self, ended: Find) -> dict[Key, Tuned]:
        """Returns each arm's settings with the scores of their last rungs, and the best of those that reached the last rung."""
        plans = self.stages(ended)
        whole = self._to_the_end(plans)
        measure, signs = self._measure(whole, ended), self._signs(plans[-1])
        found: dict[Key, Tuned] = {}
        for arm, settings in self.known(ended).items():
            runs = {i: records for i, records in records_of(plans, arm, settings, ended).items() if records}
            last = records_of(whole, arm, settings, ended)
            order = sorted(last, key=lambda i: ranked(last[i], measure, signs))
            best = next((i for i in order if any(r.status in FINISHED for r in last[i])), None)
            found[arm, arm] = Tuned(
                arm=arm,
                arm_id=self._arm_id(arm, settings[best or 0]),
                measure=measure,
                candidates=[tried(s, runs.get(i, []), measure) for i, s in enumerate(settings)],
                chosen=best,
                baseline=arm == self.study.baseline,
                sampled=True,
            )
        return found

    def untried(self, end: int) -> dict[Key, Tuned]:
        """Returns the result if the first setting of each arm had been chosen (end 0), or the last (end -1)."""
        return {
            (arm, arm): Tuned(
                arm=arm,
                arm_id=self._arm_id(arm, settings[end]),
                measure="",
                candidates=[tried(s, [], LOSS) for s in settings],
                chosen=end % len(settings),
            )
            for arm, settings in self.known(lambda run: None).items()
        }

    def comparison(self, chosen: Mapping[Key, Tuned]) -> Plan:
        """Returns the arms under the reporting seeds, each with its chosen setting; without arms that have none."""
        best = {t.arm: t.best.setting for t in chosen.values() if t.best is not None}
        measure = next(iter(chosen.values())).measure.replace("val_", "test_", 1)
        if self.study.baseline not in best or len(best) < 2:
            return replace(self.plan, specs=(), tables={}, outlines={}, failed={})
        asked = {}
        for arm in (name for name in self.spec.leave_out if name in best):
            for ingredient, rest in without_each({**self.study.arms[arm], **best[arm]}).items():
                # Without an ingredient it may be the same as another arm of the study.
                whole = {name: plain({**self._base(name), **upon}) for name, upon in best.items()}
                other = next((name for name in whole if whole[name] == plain(rest)), f"{arm}{WITHOUT}{ingredient}")
                best.setdefault(other, rest)
                asked[f"{ingredient} in {arm}"] = f"arm({arm!r}).{measure} - arm({other!r}).{measure}"
        plan = self._plan(best, self.reporting, [])
        return replace(plan, contrasts={**plan.contrasts, **asked})

    def _arm_id(self, arm: str, chosen: dict[str, Any]) -> str:
        """Returns the id of an arm at one of its settings, as in the comparison."""
        return self._run(arm, chosen).arm_id

    def _run(self, arm: str, chosen: dict[str, Any]) -> RunSpec:
        firsts = {other: several[0] for other, several in self.known(lambda run: None).items()}
        plan = self._plan({**firsts, arm: chosen}, self.reporting[:1], [])
        return next(s for s in plan.specs if s.run_id == plan.arms[arm][0])

    def _to_the_end(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Returns the stages whose runs are trained to the end."""
        return plans[-1:]

    def _rung(self, rung: int, kept: Mapping[str, Sequence[int]]) -> Plan:
        arms = {called(arm, i): self.candidates[arm][i] for arm, places in kept.items() for i in places}
        if not (left := self.spec.rungs - 1 - rung):
            return self._plan(arms, self.seeds, [])
        epochs = max(1, round(self._epochs / self.spec.eta**left))
        plan = self._plan(arms, self.seeds, [setting("train.stop_at", epochs)])
        return replace(plan, settings=plan.settings.model_copy(update={"gone_on_with": True}))

    @cached_property
    def _epochs(self) -> int:
        """The number of epochs of a full run."""
        first = next(iter(self.study.arms))
        return self._run(first, self.candidates[first][0]).train.epochs

    def _best(self, plan: Plan, kept: Mapping[str, Sequence[int]], ended: Find) -> dict[str, list[int]]:
        """Returns the indices of each arm's settings that continue: the best 1 / eta of them, and at least one."""
        measure, signs = self._measure([plan], ended), self._signs(plan)
        best = {}
        for arm, places in kept.items():
            records = records_of([plan], arm, self.candidates[arm], ended)
            order = sorted(places, key=lambda i: ranked(records[i], measure, signs))
            best[arm] = sorted(order[: max(1, round(len(places) / self.spec.eta))])
        return best

    def _signs(self, plan: Plan) -> dict[str, int]:
        """Returns the scores that may decide, with signs: the first outcome of the study, or else those of all tuning."""
        if not plan.outcomes:
            return dict(SIGNS)
        first = plan.outcomes[0]
        directions = {s.metric[first].direction for s in plan.specs if first in s.metric}
        return {f"val_{first}": -1 if directions == {"higher"} else 1, LOSS: 1}

    def _measure(self, plans: Sequence[Plan], ended: Find) -> str:
        records = [ended(s.run_id) for plan in plans for s in plan.specs]
        whole = [r.metrics for r in records if r is not None and r.status == "completed"]
        return next((m for m in self._signs(plans[-1]) if all(m in metrics for metrics in whole)), LOSS)

    def _base(self, name: str) -> dict[str, Any]:
        """Returns what the study sets for the arm to which this setting belongs; nothing for a setting that is complete."""
        return {} if WITHOUT in name else self.study.arms[name.partition(NUMBER)[0]]

    def _plan(self, arms: Mapping[str, dict[str, Any]], seeds: Sequence[int], more: Sequence[str]) -> Plan:
        """Returns the plan of the study's arms with these settings on top. Each plan is made only once."""
        name = written([arms, list(seeds), list(more)])
        if name not in self._made:
            of = {name: {**self._base(name), **upon} for name, upon in arms.items()}
            baseline = self.study.baseline if self.study.baseline in of else next(iter(of))
            words = [*self.overrides, *more, typed_seeds(seeds)]
            made = make(words, self.composer.with_arms(of, baseline), self.most)
            self._made[name] = replace(made, overrides=self.typed)
        return self._made[name]


NUMBER = " #"
"""Separates an arm's name and the number of one of its settings."""


WITHOUT = " without "
"""Separates an arm's name and the regularizer that is left out."""


def called(arm: str, place: int) -> str:
    """Returns the name of one setting of an arm."""
    return f"{arm}{NUMBER}{place}"


def settings_of(spec: SearchSpec, arm: str) -> Settings:
    """Returns the distinct settings of an arm that are tried, drawn from its own space and that of all arms.

    An arm without a space has a single setting, which is empty.
    """
    space = space_of(spec, arm)
    if not space:
        return [{}]
    settings = [met({key: of.value(u[key]) for key, (_, of) in space.items()}) for u in drawn(spec, space)]
    return list({written(s): s for s in settings}.values())


def space_of(spec: SearchSpec, arm: str) -> Space:
    """Returns the distributions of an arm's keys: its own and those of all arms, of which its own take precedence."""
    space = {key: (EVERY, distribution(text)) for key, text in spec.spaces.get(EVERY, {}).items()}
    return space | {key: (arm, distribution(text)) for key, text in spec.spaces.get(arm, {}).items()}


def drawn(spec: SearchSpec, space: Space) -> list[dict[str, list[float]]]:
    """Returns for each tried setting the uniform numbers from which the values of its keys are computed.

    Values that make a different kind of run are drawn once for every `together` settings.
    """
    columns = {}
    for key, (owner, of) in space.items():
        raw = bit_generator(spec.seed, f"search/{owner}/{key}").random_raw(of.draws * spec.budget)
        rows = unit(raw).reshape(spec.budget, -1).tolist()
        columns[key] = [rows[i // spec.together] for i in range(spec.budget)] if of.chooses else rows
    return [{key: rows[i] for key, rows in columns.items()} for i in range(spec.budget)]


def searching(
    study: StudySpec,
    overrides: Sequence[str],
    seeds: Sequence[int],
    reporting: Sequence[int],
    composer: Composer,
    most: int,
) -> Searching:
    """Returns the search of a study. Arguments: see Searching.

    Raises UsageError for a space whose name is no arm, and for too many runs.
    """
    assert study.search is not None
    for name in (*study.search.spaces, *study.search.leave_out):
        if name != EVERY and name not in study.arms:
            raise UsageError(f"study.search: no arm is called {name}; {nearest(name, [EVERY, *study.arms])}")
    if study.grid:
        raise UsageError("study.search: a study cannot have both a search and a grid; name its arms under arms instead")
    sweeps.check_count(len(study.arms) * study.search.budget * len(seeds), most)
    return Searching(study, seeds, reporting, tuple(overrides), composer, most, tuple(overrides))


def records_of(plans: Sequence[Plan], arm: str, settings: Settings, ended: Find) -> dict[int, list[Record]]:
    """Returns the records of each setting of an arm, by its index: those of the last plan in which runs of it have ended."""
    found: dict[int, list[Record]] = {}
    for plan in plans:
        for place in range(len(settings)):
            runs = plan.arms.get(called(arm, place), [])
            records = [record for run in runs if (record := ended(run)) is not None]
            if records or (runs and place not in found):
                found[place] = records
    return found
