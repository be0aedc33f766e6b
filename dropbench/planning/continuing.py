"""Plans whose next runs depend on the results of earlier ones: a pure function from finished runs to the stages known by then.

A course has a tuning stage if something is tuned, a pilot if its study asks for one, and then its comparison, which is judged
once or at several looks with more and more seeds. It has no state: the records tell how far it has come, so that an interrupted
course continues and ends as it would have without the interruption.

A run that failed counts as ended once it has been tried: an arm all of whose runs failed does not hold up the others, which
continue without it. The caller decides whether an earlier failure counts or is to be tried again first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dropbench import identity
from dropbench.config.sweeps import MOST_RUNS, check_count
from dropbench.errors import UsageError
from dropbench.planning.expand import points, runs_of
from dropbench.planning.plan import Plan, make
from dropbench.planning.proposing import proposing
from dropbench.planning.searching import Searching, searching
from dropbench.planning.study_arms import with_set
from dropbench.planning.tables import part_of, without
from dropbench.planning.tuning import Find, Tuning, tuning
from dropbench.seeds import apart, typed
from dropbench.store import FINISHED, Rule, Tuned

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.config.study_spec import StudySpec
    from dropbench.spec import RunSpec

TUNING, PILOT, COMPARISON = "tuning", "pilot", "comparison"
TUNING_SEEDS = 3
AT_MOST = 60
"""The most seeds of a comparison that ends once it is settled, unless another limit is typed."""


Settled = Callable[[Plan, int, tuple[int, ...]], bool]
"""Returns whether a plan whose runs have all ended leaves no question open. Arguments: the plan, the look from 0, all looks."""


def _never(plan: Plan, look: int, looks: tuple[int, ...]) -> bool:
    return False


@dataclass(frozen=True)
class Stage:
    """Runs that are decided on together.

    name: TUNING, PILOT or COMPARISON. whole: the plan of which they are a part or all. called: the stage's name in messages.
    """

    name: str
    plan: Plan
    whole: Plan
    called: str = ""

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds of its runs."""
        return list(dict.fromkeys(s.seed for s in self.plan.specs))

    def done(self, ended: Find) -> bool:
        """Returns whether all of its runs have ended."""
        return all(ended(s.run_id) is not None for s in self.plan.specs)


@dataclass(frozen=True)
class Course:
    """One comparison, and the rule that decides its stages.

    Parameters
    ----------
    whole : Plan or None
        The comparison under all of its seeds; None if the tuning determines it.
    tuning : Tuning or None
        Finds each arm's setting first.
    looks : tuple of int
        After how many seeds the comparison is judged, increasing; the last is all of them. Empty: once, after all.
    settled : callable
        Decides at a look whether it is the last.
    confirms : tuple of str
        Ids of the runs by which the compared arms were chosen.
    pilot : Plan or None
        The arms under separate seeds, which tell the power of the comparison before it is made.
    unplanned : tuple of int
        After how many seeds it was judged besides, because a command was stopped between two looks.
    """

    whole: Plan | None
    tuning: Tuning | Searching | None = None
    looks: tuple[int, ...] = ()
    settled: Settled = _never
    confirms: tuple[str, ...] = ()
    pilot: Plan | None = None
    unplanned: tuple[int, ...] = ()

    @property
    def every_look(self) -> tuple[int, ...]:
        """The planned looks and those that were taken besides, increasing; empty if it is judged once."""
        return tuple(sorted({*self.looks, *self.unplanned})) if self.looks else ()

    @property
    def first(self) -> Plan:
        """The plan of its first stage, which depends neither on a result nor on where a command was stopped."""
        return replace(self, unplanned=()).stages(lambda run: None)[0].plan

    @property
    def rule(self) -> Rule | None:
        """The rule that decides on the next runs; None if all runs are known from the start."""
        if self.tuning is None and self.pilot is None and not self.looks and not self.confirms:
            return None
        return Rule(
            tune=self.tuning.values if isinstance(self.tuning, Tuning) else {},
            search=self.tuning.rule if isinstance(self.tuning, Searching) else {},
            widen=self.tuning.widen if isinstance(self.tuning, Tuning) else 0,
            tuning_seeds=list(self.tuning.seeds) if self.tuning else [],
            seeds=list(self.seeds),
            looks=list(self.looks),
            confirms=list(self.confirms),
            pilot=[] if self.pilot is None else _seeds_in(self.pilot),
        )

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds of the comparison, in the order in which they are used."""
        if self.tuning is not None:
            return self.tuning.reporting
        assert self.whole is not None
        return _seeds_in(self.whole)

    @property
    def plan_id(self) -> str:
        """The plan's id if all runs are known; else a hash of the first runs and the rule, which stays as the plan grows."""
        rule = self.rule
        of_rule = rule.parameters if rule else None
        return identity.plan_id(self.first.study, (s.run_id for s in self.first.specs), of_rule)

    def tuned(self, ended: Find) -> list[Tuned]:
        """Returns what the tuning found for each arm; empty without a tuning, and before all of its runs have ended."""
        tuning = self.tuning
        if tuning is None or any(ended(s.run_id) is None for plan in tuning.stages(ended) for s in plan.specs):
            return []
        return list(tuning.chosen(ended).values())

    def stages(self, ended: Find) -> list[Stage]:
        """Returns the stages known so far, in order. The last is to be trained next, or has ended and so ends the course.

        The course never ends before the first planned look, by whose runs it is called.

        There is no comparison if the tuning leaves nothing to compare. An arm all of whose runs have failed by one look has no
        runs at later ones.
        """
        stages = []
        whole = self.whole
        if self.tuning is not None:
            names = self.tuning.called
            stages = [Stage(TUNING, plan, plan, names[i]) for i, plan in enumerate(self.tuning.stages(ended))]
            if not stages[-1].done(ended):
                return stages
            whole = self.tuning.comparison(self.tuning.chosen(ended))
            if not whole.specs:
                return stages
        if self.pilot is not None:
            stages.append(Stage(PILOT, self.pilot, self.pilot, PILOT))
            if not stages[-1].done(ended):
                return stages
        assert whole is not None
        looks = self.every_look or (len(self.seeds),)
        for look, n in enumerate(looks):
            stages.append(Stage(COMPARISON, under(whole, self.seeds[:n]), whole, COMPARISON))
            if n == looks[-1] or not stages[-1].done(ended):
                break
            there = stages[-1].plan
            lost = _lost(there, ended)
            rest = without(there, lost)
            first = not self.looks or n >= self.looks[0]  # the plan's id needs the runs of the first planned look
            if not rest.specs or (first and self.settled(rest, look, looks)):
                break
            whole = without(whole, lost, keep={s.run_id for s in there.specs})
        return stages

    def ahead(self, stages: Sequence[Stage]) -> list[tuple[Plan, list[RunSpec]]]:
        """Returns the least and the most that may come after these stages, each as a plan and its runs; empty if nothing can.

        Until the tuning has ended, every arm is assumed to use its first candidate in the one and its last in the other.
        """
        now, seeds = stages[-1], self.seeds
        if now.name == COMPARISON:
            return [(now.whole, []), (now.whole, _but(now.whole, now.plan))] if now.whole != now.plan else []
        if now.name == PILOT:
            assert self.whole is not None
            return [(self.whole, list(self.whole.specs))]
        assert self.tuning is not None
        first, last = (self.tuning.comparison(self.tuning.untried(end)) for end in (0, -1))
        least = self.looks[0] if self.looks else len(seeds)
        later = self.tuning.later(len(stages))
        wider = self.tuning.perhaps(len(stages))
        before, perhaps = ([s for plan in plans for s in plan.specs] for plans in (later, wider))
        outlines = {run: outline for plan in [*later, *wider] for run, outline in plan.outlines.items()}
        return [
            (replace(whole, outlines=whole.outlines | outlines), [*before, *more, *_but(there, now.plan)])
            for whole, there, more in ((first, under(first, seeds[:least]), []), (last, last, perhaps))
        ]


def _seeds_in(plan: Plan) -> list[int]:
    return list(dict.fromkeys(s.seed for s in plan.specs))


def _lost(plan: Plan, ended: Find) -> set[str]:
    """Returns the ids of the arms all of whose runs have failed."""
    records = [(s.arm_id, ended(s.run_id)) for s in plan.specs]
    whole = {arm for arm, record in records if record is not None and record.status in FINISHED}
    return {arm for arm, _ in records} - whole


def _but(plan: Plan, other: Plan) -> list[RunSpec]:
    """Returns the runs of a plan that the other plan does not have."""
    had = {s.run_id for s in other.specs}
    return [s for s in plan.specs if s.run_id not in had]


def under(plan: Plan, seeds: Collection[int]) -> Plan:
    """Returns the part of a plan with these seeds."""
    return part_of(plan, {s.run_id for s in plan.specs if s.seed in set(seeds)})


@dataclass(frozen=True)
class Looking:
    """How a comparison is judged before all of its seeds are used.

    at_most: the most seeds that it may take; None means those that are typed, else AT_MOST. looks: returns a Course's looks for
    that number. settled: as for a Course.
    """

    at_most: int | None
    looks: Callable[[int], tuple[int, ...]]
    settled: Settled


def course(
    overrides: Sequence[str],
    composer: Composer,
    *,
    tune: Sequence[str] = (),
    tuning_seeds: int = TUNING_SEEDS,
    widen: int = 0,
    looking: Looking | None = None,
    most: int = MOST_RUNS,
) -> Course:
    """Returns the course that a command line asks for. All of it is checked before anything is trained.

    Parameters
    ----------
    overrides : sequence of str
        As typed.
    composer : Composer
        Knows the options.
    tune : sequence of str
        `key=value,value,...` each.
    tuning_seeds : int
        Under how many seeds these values are tried.
    widen : int
        How often values beyond them may be tried: see `Tuning`.
    looking : Looking or None
        None: the comparison is judged once, under all seeds.
    most : int
        The most runs of a stage.

    Raises
    ------
    UsageError
        As `make` and `tuning` do, and if more seeds are typed or asked for than are allowed.
    """
    study = _going_on(overrides, composer, most)
    if not tune and looking is None and study is None:
        return Course(make(overrides, composer, most))
    if study is not None and study.pilot is not None:
        return _piloted(
            study.pilot,
            overrides,
            composer,
            most,
            plain=not tune and looking is None,
            searched=study.search is not None,
        )
    check_count(max(tuning_seeds if tune else 0, (looking and looking.at_most) or 0), most)  # before any seed is listed
    rest = [text for text in overrides if not text.startswith("seed=")]
    if looking is not None and len(rest) == len(overrides):
        seeds = list(range(looking.at_most or AT_MOST))
    else:
        seeds = _seeds(overrides, composer, most) if study is None else _seeds_of(study, overrides, composer, most)
    looks, settled = ((), _never) if looking is None else (looking.looks(len(seeds)), looking.settled)
    if looking is not None and looking.at_most is not None and len(seeds) > looking.at_most:
        raise UsageError(
            f"--at-most {looking.at_most}: the command has {len(seeds)} seeds; leave out --at-most or the seeds"
        )
    as_typed = tuple(overrides)
    if study is not None and study.search is not None:
        if tune:
            raise UsageError("--tune: this study already searches settings by study.search; leave out one of the two")
        found_by = searching(study, rest, apart(seeds, study.search.seeds), seeds, composer, most)
        if study.search.method == "optuna":
            found_by = proposing(found_by)
        return Course(None, replace(found_by, typed=as_typed), looks, settled)
    if tune:
        found = tuning(rest, tune, apart(seeds, tuning_seeds), seeds, composer, most, widen)
        return Course(None, replace(found, plan=replace(found.plan, overrides=as_typed)), looks, settled)
    whole = make([*rest, typed(seeds)], composer, most)
    return Course(replace(whole, overrides=as_typed), None, looks, settled)


def _piloted(
    pilot: str, overrides: Sequence[str], composer: Composer, most: int, *, plain: bool, searched: bool
) -> Course:
    """Returns the course of a study with a pilot.

    Raises UsageError if the study also tunes, searches or takes looks, or if the pilot shares seeds with the comparison.
    """
    if not plain or searched:
        raise UsageError(
            "this study has a pilot, after which its comparison is made exactly once: leave out --tune, "
            "--until-settled and study.search, or type study.pilot=null"
        )
    whole = make(overrides, composer, most)
    rest = [text for text in overrides if not text.startswith("seed=")]
    first = replace(make([*rest, f"seed={pilot}"], composer, most), overrides=whole.overrides)
    if both := sorted({s.seed for s in first.specs} & {s.seed for s in whole.specs}):
        raise UsageError(
            f"study.pilot={pilot}: seed {both[0]} is also a seed of the comparison, and a pilot needs seeds of its own; type "
            "others, such as study.pilot='range(900,906)'"
        )
    return Course(whole, pilot=first)


def _going_on(overrides: Sequence[str], composer: Composer, most: int) -> StudySpec | None:
    """Returns the chosen study if it searches settings or has a pilot. Raises UsageError for a grid with a search."""
    if not any(text.startswith("study=") for text in overrides):
        return None
    grid = points([text for text in overrides if not text.startswith("seed=")], composer, most)
    study = composer.compose(with_set(grid[0], composer)).study
    if study is None or (study.search is None and study.pilot is None):
        return None
    if len(grid) > 1 and study.search is not None:
        raise UsageError("a study with a search cannot be combined with a grid; type one command for each value")
    return study


def _seeds(overrides: Sequence[str], composer: Composer, most: int) -> list[int]:
    """Returns the typed seeds, or else the study's, or else the default one: each once, increasing."""
    runs = (run for point in points(overrides, composer, most) for run in runs_of(point, composer, most)[0])
    return sorted({run.composed.spec.seed for run in runs}) or [0]  # without any run `make` reports why


def _seeds_of(study: StudySpec, overrides: Sequence[str], composer: Composer, most: int) -> list[int]:
    """Returns the seeds of a study whose arms are not known yet."""
    typed_seed = next((text for text in overrides if text.startswith("seed=")), f"seed={study.seed}")
    return sorted({int(point["seed"].partition("=")[2]) for point in points([typed_seed], composer, most)})
