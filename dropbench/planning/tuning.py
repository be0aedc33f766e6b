"""Each arm at its own best setting: the runs that try the candidates, the choice among them, and the runs that compare.

Every arm has the same candidates under the same seeds, the baseline included, and what decides is the mean on validation data
alone. To diverge is the worst that a run can come to: a candidate of which fewer runs did is better, whatever it scored. A
candidate of which fewer runs failed goes before both; an arm of which every run failed has no setting, and is left out.
"""

from __future__ import annotations

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
from dropbench.planning.tables import baselines, of_grid, of_study, without
from dropbench.seeds import typed as typed_seeds
from dropbench.store import FINISHED, Candidate, Record, Tuned
from dropbench.values import flatten, written

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.spec import RunSpec

Find = Callable[[str], Record | None]
"""From a run's id to its record, once it has completed or diverged, or has failed as often as it is tried."""
Key = tuple[str | None, str]
"""An arm: its name in a study, and all of its configuration but for its seed and what is tuned."""

LOSS = "val_loss"
SIGNS = {"val_accuracy": -1, LOSS: 1}
"""What may choose, and what a score is multiplied by so that smaller is better: of these the first that all runs have, which is
what a report's verdict is about, but on validation data."""


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
        Those of the tuning, and those of the comparison.
    overrides : tuple of str
        What was typed beside them.
    composer : Composer
        Knows the options.
    most : int
        How many runs there may be in each of the two.
    """

    plan: Plan
    values: dict[str, list[Any]]
    seeds: Sequence[int]
    reporting: Sequence[int]
    overrides: tuple[str, ...]
    composer: Composer
    most: int = sweeps.MOST_RUNS
    _made: dict[str, Plan] = field(default_factory=dict, repr=False)

    @property
    def rule(self) -> dict[str, Any]:
        """Nothing beside the values."""
        return {}

    @property
    def called(self) -> list[str]:
        """What its stages are called."""
        return ["tuning"]

    def stages(self, ended: Find) -> list[Plan]:
        """One, in which all of them are tried."""
        return [self.plan]

    def later(self, known: int) -> list[Plan]:
        """None."""
        return []

    def chosen(self, ended: Find) -> dict[Key, Tuned]:
        """The candidates of each arm and the best of them, from runs that have all ended.

        Of two with one score the one with the smaller validation loss; of two that are equal in this too the first. None where
        all of them failed.
        """
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
        """As if the first candidate of each arm had been chosen (0), or the last (-1)."""
        found = {}
        for key, several in self._arms.items():
            untried = [tried(settings_of(specs[0], self.values), [], LOSS) for specs in several]
            found[key] = Tuned(
                arm=self._called[key], arm_id=several[end][0].arm_id, measure="", candidates=untried, chosen=end
            )
        return found

    def comparison(self, chosen: Mapping[Key, Tuned]) -> Plan:
        """The arms under the reporting seeds, each with the setting that was chosen for it; without those that have none.

        Nothing of a table is left where its baseline has none.
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
            warnings=(),  # those of the tuning, which has every arm, have been told
            skipped=(),
            merged=0,
        )
        return without(made, {tuned.arm_id for tuned in chosen.values() if tuned.best is None})

    def _typed(self, tuned: Tuned) -> dict[str, Any]:
        """The values at which an arm's best setting was tried: of a key that does not move it any, so the first."""
        best = (tuned.best or tuned.candidates[0]).setting
        moves = {key: len(_once([c.setting.get(key) for c in tuned.candidates])) > 1 for key in self.values}
        return {key: best[key] if moves[key] else values[0] for key, values in self.values.items()}

    @cached_property
    def _called(self) -> dict[Key, str]:
        """Each arm's name: in its study, or by what tells it from the others, and by its id where that is not said in words."""
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
        """By arm its candidates in order, each as its runs."""
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
) -> Tuning:
    """Raises UsageError for what cannot be tuned, beside what `make` raises.

    Parameters
    ----------
    overrides : sequence of str
        As typed, without seeds.
    tune : sequence of str
        `key=value,value,...` each.
    seeds, reporting : sequence of int
        Of the tuning and of the comparison.
    composer : Composer
        Knows the options.
    most : int
        How many runs there may be in each of the two.
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
    # An arm may have no use for a key, as `none` has none for a rate, and then has one value that nobody typed.
    values = {key: _several([[s[key] for s in several if key in s] for several in arms.values()]) for key in keys}
    for key in (key for key, found in values.items() if not found):
        raise UsageError(f"--tune {key}: these values do not change any run; tune another key")
    sweeps.check_count(len(arms) * len(reporting), most)
    return Tuning(plan, values, seeds, reporting, tuple(overrides), composer, most)


def _several(of_arms: Sequence[Sequence[Any]]) -> list[Any]:
    """The values, each once, of the arms that have more than one."""
    return _once([value for values in of_arms if len(_once(values)) > 1 for value in values])


def _once(values: Sequence[Any]) -> list[Any]:
    """Each of them once. They may be lists, which have no hash."""
    return list({written(value): value for value in values}.values())


def _key(text: str) -> str:
    (override,) = parse([text])
    key = str(override.key_or_group)
    if "." not in key or "/" in key:
        raise UsageError(
            f"--tune {text}: it takes a key and its values, such as train.lr=3e-4,1e-3,3e-3; different options are "
            "different arms"
        )
    if not sweeps.swept(override):
        raise UsageError(f"--tune {text}: one value leaves nothing to choose; write several, as in {key}=a,b,c")
    return key


def _keyed(plan: Plan, tuned: Collection[str]) -> list[tuple[Key, RunSpec]]:
    """Each run with the arm that it belongs to, once for each name that it has."""
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
    """The values of these keys, of those that the run has."""
    flat = flatten(spec.as_dict())
    return {key: flat[key] for key in keys if key in flat}


def tried(setting: dict[str, Any], runs: Sequence[Record], measure: str) -> Candidate:
    """A setting of an arm, and what came of the runs that tried it."""
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
    """The smallest is the best: the share that failed, that diverged, the score, the loss. What is no number is the worst."""
    means = [sign * fmean(scores) for m, sign in signs.items() if m in (measure, LOSS) and (scores := _scores(runs, m))]
    failed = sum(r.status not in FINISHED for r in runs)
    diverged = sum(r.status == "diverged" for r in runs)
    shares = (failed / max(len(runs), 1), diverged / max(len(runs) - failed, 1))
    return *shares, *(mean if mean == mean else math.inf for mean in means or [math.inf])


def _scores(runs: Sequence[Record], measure: str) -> list[float]:
    """Of those that completed and measured it."""
    return [r.metrics[measure] for r in runs if r.status == "completed" and measure in r.metrics]
