"""Tunes each arm: the runs that try the candidates, the choice among them, and the runs that compare the arms.

Every arm, including the baseline, has the same candidates under the same seeds, and only the mean on validation data decides.
If the best value of an arm is the smallest or the largest, one beyond it may be tried too, again for every arm.
Diverging is the worst result of a run: a candidate with fewer diverged runs is better, whatever its score. A candidate with
fewer failed runs is better than both; an arm all of whose runs failed has no setting, and is left out.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from dropbench.config import sweeps
from dropbench.config.grammar import parse
from dropbench.config.typed import setting
from dropbench.errors import UsageError
from dropbench.planning.labels import arm_names
from dropbench.planning.plan import Plan, make
from dropbench.planning.tables import baselines, of_grid, of_study, part_of, without
from dropbench.seeds import typed as typed_seeds
from dropbench.store import FINISHED, Candidate, Record, Tuned
from dropbench.values import flatten, number, written

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.spec import RunSpec

Find = Callable[[str], Record | None]
"""From a run's id to its record, once it has completed, diverged, or failed and is not tried again; otherwise None."""
Key = tuple[str | None, str]
"""An arm: its name in a study, and its configuration without its seed and what is tuned."""

LOSS = "val_loss"
SIGNS = {"val_accuracy": -1, LOSS: 1}
"""Scores that may decide, with the sign that makes smaller better.

The first that all runs have is used. It is the validation counterpart of the score that a report's verdict is about.
"""


@dataclass(frozen=True)
class Tuning:
    """What is tuned, under which seeds, and for which comparison.

    Parameters
    ----------
    plan : Plan
        Every arm with every candidate under every tuning seed.
    values : dict
        The candidates' values by key.
    seeds, reporting : sequence of int
        The seeds of the tuning, and those of the comparison.
    overrides : tuple of str
        The other typed overrides.
    composer : Composer
        Knows the options.
    most : int
        The most runs of the tuning, and of the comparison.
    widen : int
        How often values beyond these may be tried.
    """

    plan: Plan
    values: dict[str, list[Any]]
    seeds: Sequence[int]
    reporting: Sequence[int]
    overrides: tuple[str, ...]
    composer: Composer
    most: int = sweeps.MOST_RUNS
    widen: int = 0
    _made: dict[str, Plan] = field(default_factory=dict, repr=False)
    _wider: dict[str, Tuning] = field(default_factory=dict, repr=False)

    @property
    def called(self) -> list[str]:
        """The names of its stages."""
        return [
            "tuning",
            *(f"tuning, beyond the best values ({i + 1} of at most {self.widen})" for i in range(self.widen)),
        ]

    def stages(self, ended: Find) -> list[Plan]:
        """Returns the plans of the stages that are known: all candidates, and then those beyond the best ones."""
        return _stages(self.widened(ended))

    def widened(self, ended: Find) -> list[Tuning]:
        """Returns itself, and then the tunings with more values that the results ask for, as far as they are known."""
        found = [self]
        while len(found) <= self.widen and all(ended(s.run_id) is not None for s in found[-1].plan.specs):
            beyond = {
                (edge.key, edge.end): edge.beyond for tuned in found[-1]._found(ended).values() for edge in tuned.edges
            }
            wider = found[-1]._with([(key, value) for (key, _), value in sorted(beyond.items())])
            if wider is None:
                break
            found.append(wider)
        return found

    def later(self, known: int) -> list[Plan]:
        """Returns an empty list: no later stage is certain."""
        return []

    def perhaps(self, known: int) -> list[Plan]:
        """Returns stages that may come after the first `known`, if the best value of each key is the largest every time."""
        found = [self]
        for _ in range(self.widen):
            largest = {}
            for one in found[-1].untried(0).values():
                sizes = [[number(value) or 0.0 for value in c.setting.values()] for c in one.candidates]
                scored = [replace(c, score=0.0, runs=1) for c in one.candidates]
                best = replace(one, candidates=scored, chosen=sizes.index(max(sizes)))
                largest.update({edge.key: edge.beyond for edge in best.edges})
            if (wider := found[-1]._with(sorted(largest.items()))) is None:
                break
            found.append(wider)
        return _stages(found)[known:]

    def chosen(self, ended: Find) -> dict[Key, Tuned]:
        """Returns the candidates of each arm and the best of them, from runs that have all ended.

        Of two with equal scores the one with the smaller validation loss is better, and if that is equal too, the first. None
        is chosen if all of them failed.
        """
        return self.widened(ended)[-1]._found(ended)

    def _with(self, more: Sequence[tuple[str, Any]]) -> Tuning | None:
        """Returns the tuning with further values of keys; None if there are none, or if no run can have one of them."""
        if not more:
            return None
        values = {key: [*several, *(value for of, value in more if of == key)] for key, several in self.values.items()}
        if (name := written(values)) not in self._wider:
            words = [f"{key}={','.join(map(written, several))}" for key, several in values.items()]
            try:
                plan = make([*self.overrides, *words, typed_seeds(self.seeds)], self.composer, self.most)
            except UsageError:  # nobody typed these values, so one that no run can have is left out
                return None
            if not set(plan.failed) <= set(self.plan.failed):
                return None
            self._wider[name] = replace(self, plan=replace(plan, overrides=self.plan.overrides), values=values)
        return self._wider[name]

    def _found(self, ended: Find) -> dict[Key, Tuned]:
        records = {s.run_id: r for s in self.plan.specs if (r := ended(s.run_id)) is not None}
        whole = [r.metrics for r in records.values() if r.status == "completed"]
        measure = next((m for m in SIGNS if all(m in metrics for metrics in whole)), LOSS)
        found = {}
        for key, candidates in self._arms.items():
            of_each = [[records[s.run_id] for s in specs if s.run_id in records] for specs in candidates]
            settings = [settings_of(specs[0], self.values) for specs in candidates]
            ranks = [ranked(runs, measure) for runs in of_each]
            best = ranks.index(min(ranks))
            found[key] = Tuned(
                arm=self._called[key],
                arm_id=candidates[best][0].arm_id,
                measure=measure,
                candidates=[tried(*pair, measure) for pair in zip(settings, of_each, strict=True)],
                chosen=best if any(r.status in FINISHED for runs in of_each for r in runs) else None,
                baseline=candidates[best][0].arm_id in self._baselines,
            )
        return found

    def untried(self, end: int) -> dict[Key, Tuned]:
        """Returns the result if the first candidate of each arm had been chosen (end 0), or the last (end -1)."""
        found = {}
        for key, several in self._arms.items():
            untried = [tried(settings_of(specs[0], self.values), [], LOSS) for specs in several]
            found[key] = Tuned(
                arm=self._called[key], arm_id=several[end][0].arm_id, measure="", candidates=untried, chosen=end
            )
        return found

    def comparison(self, chosen: Mapping[Key, Tuned]) -> Plan:
        """Returns the arms under the reporting seeds, each with its chosen setting; without arms that have none.

        A table whose baseline has no setting is left out.
        """
        parts: dict[str, Plan] = {}
        for tuned in chosen.values():
            words = [setting(key, value) for key, value in self._typed(tuned).items()]
            if (name := " ".join(words)) not in self._made:
                self._made[name] = make(
                    [*self.overrides, *words, typed_seeds(self.reporting)], self.composer, self.most
                )
            parts[name] = self._made[name]
        whole = list(parts.values())
        kept = {
            (key[0], spec.run_id): spec
            for part in whole
            for key, spec in _keyed(part, self.values)
            if key in chosen and spec.arm_id == chosen[key].arm_id
        }
        specs = {spec.run_id: spec for spec in kept.values()}
        called = {tuned.arm_id: tuned.arm for tuned in chosen.values()}
        made = replace(
            whole[0],
            specs=tuple(specs.values()),
            tables=of_study(whole, kept) if whole[0].tables else of_grid(specs.values(), called, self.values),
            outlines={run: o for part in whole for run, o in part.outlines.items() if run in specs},
            failed={run: why for part in whole for run, why in part.failed.items() if run in specs},
            overrides=self.plan.overrides,
            warnings=(),  # the tuning has every arm and has already given them
            skipped=(),
            merged=0,
        )
        return without(made, {tuned.arm_id for tuned in chosen.values() if tuned.best is None})

    def _typed(self, tuned: Tuned) -> dict[str, Any]:
        """Returns the overrides for an arm's best setting. For a key that has no effect in the arm, this is its first value."""
        best = (tuned.best or tuned.candidates[0]).setting
        moves = {key: len(_once([c.setting.get(key) for c in tuned.candidates])) > 1 for key in self.values}
        return {key: best[key] if moves[key] else values[0] for key, values in self.values.items()}

    @cached_property
    def _called(self) -> dict[Key, str]:
        """Each arm's name: in its study, or by what distinguishes it from the others, with its id if words do not suffice."""
        firsts = {key: candidates[0][0] for key, candidates in self._arms.items()}
        names = arm_names(self.plan, list(firsts.values()), self.values)
        alike = Counter(names[spec.run_id] for spec in firsts.values())
        told = {key: (names[spec.run_id], spec.arm_id) for key, spec in firsts.items()}
        return {key: name if alike[name] == 1 else f"{name} #{arm_id}" for key, (name, arm_id) in told.items()}

    @cached_property
    def _baselines(self) -> set[str]:
        return baselines(self.plan)

    @cached_property
    def _arms(self) -> dict[Key, list[list[RunSpec]]]:
        """The candidates of each arm in order, each as its runs."""
        arms: dict[Key, dict[str, list[RunSpec]]] = {}
        for key, spec in _keyed(self.plan, self.values):
            arms.setdefault(key, {}).setdefault(spec.arm_id, []).append(spec)
        return {key: list(candidates.values()) for key, candidates in arms.items()}


def tuning(
    overrides: Sequence[str],
    tune: Sequence[str],
    seeds: Sequence[int],
    reporting: Sequence[int],
    composer: Composer,
    most: int,
    widen: int = 0,
) -> Tuning:
    """Returns the tuning of a command line. Raises UsageError for what cannot be tuned, and as `make` does.

    Parameters
    ----------
    overrides : sequence of str
        As typed, without seeds.
    tune : sequence of str
        `key=value,value,...` each.
    seeds, reporting : sequence of int
        The seeds of the tuning and of the comparison.
    composer : Composer
        Knows the options.
    most : int
        The most runs of the tuning, and of the comparison.
    widen : int
        How often values beyond these may be tried.
    """
    keys = [_key(text) for text in tune]
    typed = {text.partition("=")[0] for text in overrides}
    for i, key in enumerate(keys):
        if key in keys[:i]:
            raise UsageError(f"--tune {key}: it is tuned twice; write all of its values in one list: {key}=a,b,c")
        if key in typed:
            raise UsageError(f"--tune {key}: the command also sets this key; leave out {key}=... or do not tune it")
    plan = make([*overrides, *tune, typed_seeds(seeds)], composer, most)
    arms: dict[Key, list[dict[str, Any]]] = {}
    for arm, spec in _keyed(plan, keys):
        arms.setdefault(arm, []).append(settings_of(spec, keys))
    # A key may have no effect in an arm, such as a rate in `none`, which then has a single value that nobody typed.
    values = {key: _several([[s[key] for s in several if key in s] for several in arms.values()]) for key in keys}
    for key in (key for key, found in values.items() if not found):
        raise UsageError(f"--tune {key}: these values do not change any run; tune another key")
    sweeps.check_count(len(arms) * len(reporting), most)
    return Tuning(plan, values, seeds, reporting, tuple(overrides), composer, most, widen)


def _stages(tunings: Sequence[Tuning]) -> list[Plan]:
    """Returns what each of these tunings adds to the one before it."""
    plans = [tunings[0].plan]
    for before, after in itertools.pairwise(tunings):
        had = {s.run_id for s in before.plan.specs}
        plans.append(part_of(after.plan, {s.run_id for s in after.plan.specs if s.run_id not in had}))
    return plans


def _several(of_arms: Sequence[Sequence[Any]]) -> list[Any]:
    """Returns the distinct values of the arms that have more than one."""
    return _once([value for values in of_arms if len(_once(values)) > 1 for value in values])


def _once(values: Sequence[Any]) -> list[Any]:
    """Returns the distinct values. They may be lists, which are not hashable."""
    return list({written(value): value for value in values}.values())


def _key(text: str) -> str:
    (override,) = parse([text])
    key = str(override.key_or_group)
    if "." not in key or "/" in key:
        raise UsageError(
            f"--tune {text}: write a key and its values, such as train.lr=3e-4,1e-3,3e-3; options of a group are "
            "different arms and cannot be tuned"
        )
    if not sweeps.swept(override):
        raise UsageError(f"--tune {text}: one value leaves nothing to choose; write several, as in {key}=a,b,c")
    return key


def _keyed(plan: Plan, tuned: Collection[str]) -> list[tuple[Key, RunSpec]]:
    """Returns each run with the arm to which it belongs, once for each of its names."""
    names: dict[str, list[str | None]] = {}
    for name, runs in plan.arms.items():
        for run in runs:
            names.setdefault(run, []).append(name)
    keyed: list[tuple[Key, RunSpec]] = []
    for spec in plan.specs:
        flat = flatten(spec.as_dict())
        rest = {k: v for k, v in flat.items() if k not in tuned and k != "seed" and not k.startswith("metric.")}
        text = json.dumps(rest, sort_keys=True)
        keyed += [((name, text), spec) for name in names.get(spec.run_id, [None])]
    return keyed


def settings_of(spec: RunSpec, keys: Collection[str]) -> dict[str, Any]:
    """Returns the values of these keys, as far as the run has them."""
    flat = flatten(spec.as_dict())
    return {key: flat[key] for key in keys if key in flat}


def tried(setting: dict[str, Any], runs: Sequence[Record], measure: str) -> Candidate:
    """Returns a setting of an arm with the results of the runs that tried it."""
    scores = _scores(runs, measure)
    return Candidate(
        setting=setting,
        score=fmean(scores) if scores else None,
        sd=stdev(scores) if len(scores) > 1 else None,
        runs=sum(r.status in FINISHED for r in runs),
        diverged=sum(r.status == "diverged" for r in runs),
        failed=sum(r.status not in FINISHED for r in runs),
    )


def ranked(runs: Sequence[Record], measure: str, signs: Mapping[str, int] = SIGNS) -> tuple[float, ...]:
    """Returns a sort key, of which the smallest is best: share of failed, share of diverged, score, loss. NaN is worst."""
    means = [sign * fmean(scores) for m, sign in signs.items() if m in (measure, LOSS) and (scores := _scores(runs, m))]
    failed = sum(r.status not in FINISHED for r in runs)
    diverged = sum(r.status == "diverged" for r in runs)
    shares = (failed / max(len(runs), 1), diverged / max(len(runs) - failed, 1))
    return *shares, *(mean if mean == mean else math.inf for mean in means or [math.inf])


def _scores(runs: Sequence[Record], measure: str) -> list[float]:
    """Returns the scores of the runs that completed and have the measure."""
    return [r.metrics[measure] for r in runs if r.status == "completed" and measure in r.metrics]
