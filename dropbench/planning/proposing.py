"""Each arm at the best setting that Optuna finds: settings proposed in batches, by what those of earlier batches scored.

What is proposed follows from the records of runs that have ended, told to a new study in the order of the settings, so that a
sweep that was killed proposes the same again. The batch trains as stacks, as random settings do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropbench.config.search_spec import Distribution
from dropbench.data.raw_draws import bit_generator
from dropbench.errors import UsageError
from dropbench.identity import BESIDE
from dropbench.planning.ingredients import absent, joined, met
from dropbench.planning.plan import Plan
from dropbench.planning.searching import Searching, Settings, Space, called, drawn, records_of, space_of
from dropbench.planning.tuning import Find, ranked
from dropbench.values import written

_BELOW_ONE = 1 - 2**-53
FIRST = 10
"""So many settings are drawn at random before any is proposed, as by Optuna itself."""
Of = Mapping[str, Distribution]
"""What the keys of a space are drawn from."""
Params = dict[str, Any]
"""A setting as Optuna knows it: a number in [0, 1], a place among values, or whether one is in a subset, by name."""


@dataclass(frozen=True)
class Proposal:
    """A setting, and how Optuna knows it."""

    params: Params
    setting: dict[str, Any]


@dataclass(frozen=True)
class Proposing(Searching):
    """A search in batches: the first is random, with the draws of a random search; the others are proposed."""

    _asked: dict[str, list[Proposal]] = field(default_factory=dict, repr=False)

    @property
    def rule(self) -> dict[str, Any]:
        """With the version of what proposes, since another may propose otherwise."""
        return self.spec.rule | {"version": optuna().__version__}

    @property
    def called(self) -> list[str]:
        """What its stages are called."""
        n = len(self._sizes)
        return [f"search, batch {i + 1} of {n}" for i in range(n)]

    def known(self, ended: Find) -> dict[str, Settings]:
        """The settings of all batches that are known by now."""
        return self._followed(ended)[1]

    def stages(self, ended: Find) -> list[Plan]:
        """The batches that are known."""
        return self._followed(ended)[0]

    def later(self, known: int) -> list[Plan]:
        """The batches after so many, with random settings in the place of those that will be proposed."""
        spaces = {arm: space_of(self.spec, arm) for arm in self.study.arms}
        spec = self.spec.model_copy(update={"together": 1})
        settings = {arm: [_first(_of(s), u).setting for u in drawn(spec, s)] for arm, s in spaces.items() if s}
        plans, done = [], 0
        for batch, size in enumerate(self._sizes):
            arms = {called(arm, i): several[i] for arm, several in settings.items() for i in range(done, done + size)}
            plans += [self._plan(arms, self.seeds, [])] if batch >= known else []
            done += size
        return plans

    def _to_the_end(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        return plans

    @property
    def _sizes(self) -> list[int]:
        """How many settings of each arm the batches have."""
        first = min(FIRST, self.spec.budget)
        rest = self.spec.budget - first
        each = self.spec.together
        return [first, *(min(each, rest - done) for done in range(0, rest, each))]

    def _followed(self, ended: Find) -> tuple[list[Plan], dict[str, Settings]]:
        """The batches, and the settings of each arm, each once."""
        spaces = {arm: space_of(self.spec, arm) for arm in self.study.arms}
        had: dict[str, list[Proposal]] = {arm: [] for arm in spaces}
        plans: list[Plan] = []
        for size in self._sizes:
            before = {arm: len(proposals) for arm, proposals in had.items()}
            for arm, space in spaces.items():
                had[arm] += self._new(arm, space, had[arm], size, plans, ended)
            new = {
                called(arm, i): proposals[i].setting
                for arm, proposals in had.items()
                for i in range(before[arm], len(proposals))
            }
            if new:
                plans.append(self._plan(new, self.seeds, []))
            if any(ended(s.run_id) is None for s in plans[-1].specs):
                break
        return plans, {arm: [p.setting for p in proposals] for arm, proposals in had.items()}

    def _new(
        self, arm: str, space: Space, had: Sequence[Proposal], size: int, plans: Sequence[Plan], ended: Find
    ) -> list[Proposal]:
        """Of the next settings of an arm those that it has not had; the one without anything set where it has no space."""
        if not space:
            return [] if had else [Proposal({}, {})]
        of = _of(space)
        if not plans:
            first = self.spec.model_copy(update={"budget": size, "together": 1})
            found = [_first(of, units) for units in drawn(first, space)]
        else:
            found = self._proposed(arm, of, had, size, plans, ended)
        others = {written(p.setting) for p in had}
        return [p for name, p in {written(p.setting): p for p in found}.items() if name not in others]

    def _proposed(
        self, arm: str, of: Of, had: Sequence[Proposal], size: int, plans: Sequence[Plan], ended: Find
    ) -> list[Proposal]:
        measure, signs = self._measure(plans, ended), self._signs(plans[0])
        records = records_of(plans, arm, [p.setting for p in had], ended)
        merits = [ranked(records[i], measure, signs) for i in range(len(had))]
        place = {merit: i for i, merit in enumerate(sorted(set(merits)))}
        key = written([arm, [p.params for p in had], [place[m] for m in merits], size])
        if key not in self._asked:
            seed = int(bit_generator(self.spec.seed, f"search/{arm}/{len(had)}").random_raw()) % 2**32
            told = [(p.params, float(place[m])) for p, m in zip(had, merits, strict=True)]
            self._asked[key] = _ask(of, told, size, seed)
        return self._asked[key]


def proposing(found: Searching) -> Proposing:
    """The search that Optuna makes of the same spaces. Raises UsageError for several rungs, and where it is not installed."""
    if found.spec.rungs > 1:
        raise UsageError(
            f"study.search.rungs={found.spec.rungs}: optuna trains every setting to the end; type study.search.rungs=1"
        )
    optuna()  # a search that cannot propose is refused before any of it trains
    return Proposing(
        found.study, found.seeds, found.reporting, found.overrides, found.composer, found.most, found.typed
    )


def _of(space: Space) -> Of:
    return {key: distribution for key, (_, distribution) in space.items()}


def _first(of: Of, units: Mapping[str, list[float]]) -> Proposal:
    """The setting of some uniform numbers."""
    sample = {key: one.value(units[key]) for key, one in of.items()}
    asked = [key for key in of if not absent(key, joined(sample))]
    params = {name: value for key in asked for name, value in _params(key, of[key], units[key]).items()}
    return Proposal(params, met(sample))


def _params(key: str, of: Distribution, units: Sequence[float]) -> Params:
    if of.kind == "subset":
        return {f"{key}/{value}": one < 0.5 for value, one in zip(of.values, units, strict=True)}
    return {key: int(units[0] * len(of.values)) if of.kind == "choice" else units[0]}


def _ask(of: Of, told: Sequence[tuple[Params, float]], size: int, seed: int) -> list[Proposal]:
    """The next settings of a space, all at once. told: the earlier ones with their merits, of which smaller is better."""
    it = optuna()
    verbosity = it.logging.get_verbosity()
    it.logging.set_verbosity(it.logging.WARNING)
    try:
        # While others of the batch are asked for, those that have been count as bad, so that they are not all alike.
        sampler = it.samplers.TPESampler(seed=seed, n_startup_trials=1, constant_liar=True)
        study = it.create_study(sampler=sampler)
        for params, merit in told:
            study.enqueue_trial(params)
            trial = study.ask()
            _suggested(trial, of)
            study.tell(trial, merit)
        trials = [study.ask() for _ in range(size)]
        settings = [_suggested(trial, of) for trial in trials]
    finally:
        it.logging.set_verbosity(verbosity)
    return [Proposal(trial.params, setting) for trial, setting in zip(trials, settings, strict=True)]


def _suggested(trial: Any, of: Of) -> dict[str, Any]:
    """The setting of a trial. Of regularizers and variants that are not in it nothing is asked."""
    sample: dict[str, Any] = {}
    for key in sorted(of, key=lambda key: key != BESIDE and not of[key].several):
        if not absent(key, joined(sample)):
            sample[key] = of[key].value(_units(trial, key, of[key]))
    return met({key: sample[key] for key in of if key in sample})


def _units(trial: Any, key: str, of: Distribution) -> list[float]:
    """The uniform numbers of which a value that is suggested is made."""
    if of.kind == "subset":
        return [0.25 if trial.suggest_categorical(f"{key}/{value}", [True, False]) else 0.75 for value in of.values]
    if of.kind == "choice":
        n = len(of.values)
        return [(trial.suggest_categorical(key, list(range(n))) + 0.5) / n]
    return [min(trial.suggest_float(key, 0, 1), _BELOW_ONE)]


def optuna() -> Any:
    """Raises UsageError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError("search.method=optuna needs the package optuna: pip install 'dropbench[optuna]'") from error
    return optuna
