"""Notes on the runs behind a table: which seeds there are, which runs did not finish, and what differs between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd

from dropbench.report.records.frame import PACKAGES, by_label, rows_of, setting_keys
from dropbench.report.records.measures import Measures
from dropbench.report.tables.arms import in_all
from dropbench.report.tables.collapsed import collapsed
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.majority import majority
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.store import Skipped, StoredPlan
from dropbench.values import absent, count, plain, plural, spans, written

SOURCES = {
    "data_fingerprint": "data (runs that did not see the same examples)",
    "git_commit": "git commits",
    "device": "devices",
    **{f"{package}_version": f"{package} versions" for package in PACKAGES},
}
_SHORT = 120
_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?")
"""A number inside a reason. The loss that a reason mentions differs in every run."""
_SPOKEN = 3
"""The number of items that a sentence names before it says how many are left."""


def missing(planned: Sequence[str], frame: pd.DataFrame, plans: Iterable[StoredPlan]) -> list[str]:
    """Say how many runs of these plans are missing, if any; planned: their ids."""
    stored = set(frame["run_id"]) if len(frame) else set()
    absent = sum(run not in stored for run in planned)
    if not absent:
        return []
    parts = [plan.shard for plan in plans if plan.shard]
    how = f"shard {parts[0]} is trained here, and the others elsewhere" if parts else "the same command trains them"
    return [f"{absent} of {len(planned)} planned runs have not run yet; {how}."]


def begun(plans: Iterable[StoredPlan], frame: pd.DataFrame) -> list[str]:
    """Say how many runs are missing of the plans of which some are there, in a report that names no study."""
    stored = set(frame["run_id"])
    there = [plan for plan in plans if not stored.isdisjoint(plan.every_run)]
    planned = {run for plan in there for run in plan.every_run}
    absent = len(planned - stored)
    if not absent:
        return []
    have = "has" if absent == 1 else "have"
    return [f"{absent} of {len(planned)} planned runs {have} not run yet; dropbench runs status says of which sweep."]


def about_data(plans: Iterable[StoredPlan], shown: Collection[str]) -> list[str]:
    """Return what was noted when the data of these plans were read, such as a column that gives the target away.

    shown: the ids of the runs in the report.
    """
    known = [n for p in plans if p.data_notes and not set(p.trained).isdisjoint(shown) for n in p.data_notes]
    return [f"{note[:1].upper()}{note[1:]}{'' if note.endswith('?') else '.'}" for note in dict.fromkeys(known)]


def _short(commit: str) -> str:
    """Shorten a commit's hash, but not the `-dirty` behind it."""
    digits, dash, rest = commit.partition("-")
    return f"{digits[:12]}{dash}{rest}"


def mixed(frame: pd.DataFrame) -> list[str]:
    """Warn of sources (data, code, device, packages) that should be the same in all runs and are not."""
    notes = []
    for column, what in SOURCES.items():
        counts = Counter("unknown" if v is None else written(v) for v in frame[column].tolist())
        if len(counts) > 1:
            parts = ", ".join(
                f"{_short(value) if column == 'git_commit' else value} ({count(n, 'run')})"
                for value, n in sorted(counts.items())
            )
            notes.append(f"Mixed {what}: {parts}.")
    # Accelerators use their own libraries, and old records do not name any.
    found = Counter(written(v) for v in frame.loc[frame["device"] == "cpu", "products"].tolist() if v is not None)
    if len(found) > 1:
        parts = ", ".join(f"{library} ({count(n, 'run')})" for library, n in sorted(found.items()))
        notes.append(f"Mixed libraries that multiplied matrices, which round differently: {parts}.")
    return notes


def disputed(measures: Measures) -> list[str]:
    """Warn of metrics that runs declare in several ways."""
    if not measures.disputed:
        return []
    told = ", ".join(f"{name} (version {measures.declared[name].version})" for name in measures.disputed)
    return [f"Runs declare these metrics in several ways; the newest declaration counts for all: {told}."]


def several_folders(rivals: Mapping[str, Sequence[Path]]) -> list[str]:
    """Say which copy is used of runs that several folders have with different numbers. rivals: the folder used is first."""
    if not rivals:
        return []
    parts = [f"{used}, not {', '.join(map(str, others))}" for used, *others in list(rivals.values())[:_SPOKEN]]
    rest = f"; and {len(rivals) - _SPOKEN} more" if len(rivals) > _SPOKEN else ""
    lie = "lies" if len(rivals) == 1 else "lie"
    return [
        f"{count(len(rivals), 'run')} {lie} in several folders with different numbers; the copy that finished, and was started "
        f"last, is used: {'; '.join(parts)}{rest}."
    ]


def skipped(items: Sequence[Skipped]) -> list[str]:
    """Count the records that were skipped, with each reason, how often it occurred, and one example."""
    return [f"Skipped {count(len(items), 'record')}: {_reasons(items)}."] if items else []


def histories(damaged: Sequence[Skipped]) -> list[str]:
    """Count the histories that cannot be used. Their runs have scores, but no curves."""
    if not damaged:
        return []
    which = "history" if len(damaged) == 1 else "histories"
    return [f"Left out {len(damaged)} damaged {which}, which curves and best epochs now lack: {_reasons(damaged)}."]


def _reasons(items: Sequence[Skipped]) -> str:
    reasons = Counter(item.reason for item in items)
    first = {item.reason: item.path for item in reversed(items)}
    return "; ".join(f"{n} × {reason} ({first[reason]})" for reason, n in sorted(reasons.items()))


def about(comparison: Comparison) -> list[Note]:
    """Say which seeds ran, which epoch the numbers are from, and what acted in the runs besides dropout."""
    runs, arms = comparison.runs, comparison.labels
    done = runs[runs["status"] == "completed"]
    if done.empty:
        return _unfinished(runs, arms)
    lost = _unfinished(runs, arms)
    same = collapsed(runs, arms)  # it names the share of the most frequent class too
    return [
        *_seeds(done, arms),
        *lost,
        _rule(done, arms, comparison.measures),
        *_in_all(runs, arms),
        *as_they_are([*_learned(runs, arms), *_own_noise(runs, arms), *same]),
        *([] if same else majority(comparison)),
    ]


def _seeds(done: pd.DataFrame, arms: Sequence[str]) -> list[Note]:
    """Name the seeds of completed runs. If all arms have the same seeds, the short form leaves them to the note on the rule."""
    of_arms = by_label(done, "seed")
    seeds = {arm: spans(of_arms.get(arm, [])) for arm in arms}
    if len(set(seeds.values())) == 1:
        return [Note(f"Seeds: {seeds[arms[0]]}{', the same in every arm' if len(arms) > 1 else ''}.", "")]
    by_seeds: dict[str, list[str]] = {}
    for arm, shown in seeds.items():
        by_seeds.setdefault(shown or "no run completed", []).append(arm)
    return as_they_are(["Seeds: " + "; ".join(f"{shown} ({few(some)})" for shown, some in by_seeds.items()) + "."])


def _in_all(runs: pd.DataFrame, arms: Sequence[str]) -> list[Note]:
    """Name the settings that all arms share, which therefore are in none of the labels."""
    told = in_all(rows_of(runs.drop_duplicates("label")), setting_keys(runs))
    if not told:
        return []
    who, which = ("Every arm has", "names of arms leave") if len(arms) > 1 else ("This arm also has", "its name leaves")
    return as_they_are([f"{who} {', '.join(told)}, which {which} out."])


def unfinished(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Name the runs that failed or diverged, and why. arms: all arms of `runs`."""
    return [note.full for note in _unfinished(runs, arms)]


def _unfinished(runs: pd.DataFrame, arms: Sequence[str]) -> list[Note]:
    """Return one note for failed and one for diverged runs. Reasons that differ only in their numbers count as the same."""
    told = []
    runs = runs.sort_values("label", key=lambda labels: labels.map(arms.index), kind="stable")
    for status in ("failed", "diverged"):
        rows = runs[runs["status"] == status].fillna({"reason": "no reason recorded"})
        why: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for label, seed, reason in zip(rows["label"], rows["seed"], rows["reason"], strict=True):
            first = first_line(str(reason)) or ""
            why.setdefault((label, _NUMBER.sub("#", first)), []).append((int(seed), first))
        alike: dict[tuple[str, str, bool], list[tuple[str, str]]] = {}
        for (label, kind), some in why.items():
            seeds = f"{plural(len(some), 'seed')} {spans([seed for seed, _ in some])}"
            several = len({reason for _, reason in some}) > 1
            alike.setdefault((seeds, kind, several), []).append((label, some[0][1]))
        parts = []
        for (seeds, _, several), of in alike.items():
            labels, first = [label for label, _ in of], of[0][1]
            whole = "every arm" if 1 < len(labels) == len(arms) else ", ".join(labels)
            reason = first if len(first) <= _SHORT else first[: _SHORT - 1] + "…"
            such = "for example: " if several or len({r for _, r in of}) > 1 else ""
            parts.append(f"{whole}, {seeds} ({such}{reason})")
        if parts:
            rest = "; and more, see --explain" if len(parts) > _SPOKEN else ""
            said = f"{status.capitalize()}, left out of every mean: "
            told.append(Note(f"{said}{'; '.join(parts)}.", f"{said}{'; '.join(parts[:_SPOKEN])}{rest}."))
    return told


def first_line(reason: str | None) -> str | None:
    """Return the first line of the reason why a run did not complete; a reason may be a whole traceback."""
    return plain((reason.strip().splitlines() or [""])[0]) if reason is not None else None


def _rule(runs: pd.DataFrame, arms: Sequence[str], measures: Measures) -> Note:
    """Say which epoch the numbers are from, as each run's configuration has it. runs: completed runs only."""
    keys = ("train.monitor", "train.patience", "train.restore_best")
    columns = [runs[k].tolist() if k in runs else [None] * len(runs) for k in keys]
    chosen = [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]
    best = [c for c in chosen if not _none(c["train.patience"]) and c["train.restore_best"] is True]
    monitored = [measures.read(m) for m in {str(c["train.monitor"]) for c in best}]
    score = "the best validation score"
    if len(monitored) == 1 and monitored[0].direction:
        score = f"the {'highest' if monitored[0].direction > 0 else 'lowest'} {monitored[0].spoken}"
    epoch = brief = "the last epoch"
    if best:
        every, own = len(best) == len(chosen), f"each run's best epoch ({score.removeprefix('the ')})"
        epoch = f"the epoch with {score}" if every else f"the last epoch, or with early stopping the epoch with {score}"
        brief = own if every else f"the last epoch, or with early stopping of {own}"
    sizes = {n for n in runs["test_examples"].tolist() if isinstance(n, int)}
    size = f" ({sizes.pop():,} examples)" if len(sizes) == 1 else ""
    spread = " ± is the sd over seeds." if runs["seed"].nunique() > 1 else ""
    of_arms = by_label(runs, "seed")
    seeds = {spans(of_arms.get(arm, [])) for arm in arms}
    under = f"Seeds: {seeds.pop()}; scores" if len(seeds) == 1 else "Scores"
    return Note(
        f"Rule: every number is from {epoch}, and the test split{size} was evaluated only once, at that epoch. "
        f"Gap = training minus validation, both in eval mode.{spread}",
        f"{under} of {brief}; gap: training minus validation{'; ±: sd over seeds' * bool(spread)}.",
    )


def few(labels: Sequence[str]) -> str:
    """Return the first labels and how many are left: `none, standard 0.1, standard 0.2 and 15 more`."""
    more = f" and {len(labels) - _SPOKEN} more" if len(labels) > _SPOKEN else ""
    return ", ".join(labels[:_SPOKEN]) + more


def _none(value: object) -> bool:
    return value is None or absent(value)


def _learned(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Return the mean learned rate of each site, and its spread over seeds."""
    notes = []
    of_arms = by_label(runs, "learned_rates")
    for arm in arms:
        of_runs = [rates for rates in of_arms.get(arm, []) if rates]
        parts = []
        for site in dict.fromkeys(site for rates in of_runs for site in rates):
            values = [rates[site] for rates in of_runs if site in rates]
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            parts.append(f"{site} {fmean(values):.3f}{spread}")
        if parts:
            notes.append(f"Learned rates of {arm}: {', '.join(parts)}.")
    return notes


def _own_noise(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Name the layers of a user's module that drew random numbers by themselves, so that every arm has noise."""
    of_arms: dict[tuple[str, ...], list[str]] = {}
    noisy = by_label(runs, "own_noise")
    for arm in arms:
        found = dict.fromkeys(p for own in noisy.get(arm, []) for p in own)
        if found:
            of_arms.setdefault(tuple(map(str, found)), []).append(arm)
    notes = []
    for parts, some in of_arms.items():
        where = "every arm" if len(some) == len(arms) else ", ".join(some)
        rest = f" and {len(parts) - _SPOKEN} more" if len(parts) > _SPOKEN else ""
        notes.append(
            f"The model's own noise acted in {where}, regardless of the rate: {', '.join(parts[:_SPOKEN])}{rest}. So an arm "
            "called none is not free of noise here."
        )
    return notes
