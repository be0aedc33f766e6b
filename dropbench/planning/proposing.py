"""Searches the best setting of each arm with Optuna, which proposes settings in batches from the scores of earlier batches.

Proposals depend only on the records of finished runs, which are reported to a new Optuna study in the order of the settings, so
a sweep that was killed proposes the same settings again. A batch is trained as stacks, as random settings are.
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
"""How many settings are drawn at random before any is proposed, as in Optuna itself."""
Of = Mapping[str, Distribution]
"""The distributions of the keys of a space."""
Params = dict[str, Any]
"""A setting as Optuna's parameters: by name a number in [0, 1], an index of a value, or whether a subset has a value."""


@dataclass(frozen=True)
class Proposal:
    """A setting, and Optuna's parameters for it."""

    params: Params
    setting: dict[str, Any]


@dataclass(frozen=True)
class Proposing(Searching):
    """A search in batches: the first is random, with the draws of a random search; the others are proposed."""

    _asked: dict[str, list[Proposal]] = field(default_factory=dict, repr=False)

    @property
    def rule(self) -> dict[str, Any]:
        """The rule with Optuna's version, since another version may propose other settings."""
        return self.spec.rule | {"version": optuna().__version__}

    @property
    def called(self) -> list[str]:
        """The names of its stages."""
        n = len(self._sizes)
        return [f"search, batch {i + 1} of {n}" for i in range(n)]

    def known(self, ended: Find) -> dict[str, Settings]:
        """Returns the settings of all batches that are known by now."""
        return self._followed(ended)[1]

    def stages(self, ended: Find) -> list[Plan]:
        """Returns the plans of the batches that are known."""
        return self._followed(ended)[0]

    def later(self, known: int) -> list[Plan]:
        """Returns the batches after the first `known`, with random settings in place of those that will be proposed."""
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
        """The number of settings per arm in each batch."""
        first = min(FIRST, self.spec.budget)
        rest = self.spec.budget - first
        each = self.spec.together
        return [first, *(min(each, rest - done) for done in range(0, rest, each))]

    def _followed(self, ended: Find) -> tuple[list[Plan], dict[str, Settings]]:
        """Returns the batches, and the distinct settings of each arm."""
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
        """Returns an arm's next settings that it has not had yet. An arm without a space has one empty setting."""
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
    """Returns the search by Optuna in the same spaces. Raises UsageError for several rungs, and if Optuna is not installed."""
    if found.spec.rungs > 1:
        raise UsageError(
            f"study.search.rungs={found.spec.rungs}: optuna trains every setting to the end; type study.search.rungs=1"
        )
    optuna()  # raises before anything is trained if Optuna is not installed
    return Proposing(
        found.study, found.seeds, found.reporting, found.overrides, found.composer, found.most, found.typed
    )


def _of(space: Space) -> Of:
    return {key: distribution for key, (_, distribution) in space.items()}


def _first(of: Of, units: Mapping[str, list[float]]) -> Proposal:
    """Returns the proposal for given uniform numbers."""
    sample = {key: one.value(units[key]) for key, one in of.items()}
    asked = [key for key in of if not absent(key, joined(sample))]
    params = {name: value for key in asked for name, value in _params(key, of[key], units[key]).items()}
    return Proposal(params, met(sample))


def _params(key: str, of: Distribution, units: Sequence[float]) -> Params:
    if of.kind == "subset":
        return {f"{key}/{value}": one < 0.5 for value, one in zip(of.values, units, strict=True)}
    return {key: int(units[0] * len(of.values)) if of.kind == "choice" else units[0]}


def _ask(of: Of, told: Sequence[tuple[Params, float]], size: int, seed: int) -> list[Proposal]:
    """Returns the next settings of a space, all at once. told: earlier ones with their ranks, of which smaller is better."""
    it = optuna()
    verbosity = it.logging.get_verbosity()
    it.logging.set_verbosity(it.logging.WARNING)
    try:
        # Proposals of a batch that have no result yet count as bad ones ("constant liar"), so that they differ from each other.
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
    """Returns the setting of a trial. Keys of regularizers and variants that it does not choose are not suggested."""
    sample: dict[str, Any] = {}
    for key in sorted(of, key=lambda key: key != BESIDE and not of[key].several):
        if not absent(key, joined(sample)):
            sample[key] = of[key].value(_units(trial, key, of[key]))
    return met({key: sample[key] for key in of if key in sample})


def _units(trial: Any, key: str, of: Distribution) -> list[float]:
    """Returns the uniform numbers for a suggested value."""
    if of.kind == "subset":
        return [0.25 if trial.suggest_categorical(f"{key}/{value}", [True, False]) else 0.75 for value in of.values]
    if of.kind == "choice":
        n = len(of.values)
        return [(trial.suggest_categorical(key, list(range(n))) + 0.5) / n]
    return [min(trial.suggest_float(key, 0, 1), _BELOW_ONE)]


def optuna() -> Any:
    """Returns the module optuna. Raises UsageError if it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError("search.method=optuna needs the package optuna: pip install 'dropbench[optuna]'") from error
    return optuna
