"""What a reader must know beside the numbers: the sentences under a table. They claim no more than the data say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropbench.report.compare import MIN_PAIRS
from dropbench.report.frame import PACKAGES
from dropbench.report.values import absent, spans, text

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.store import Skipped

SOURCES = {
    "data_fingerprint": "data (runs that did not see the same examples)",
    "git_commit": "git commits",
    "device": "devices",
    **{f"{package}_version": f"{package} versions" for package in PACKAGES},
}
_SHORT = 90


def about(
    runs: pd.DataFrame, table: pd.DataFrame, baseline: str | None, wanted: str, candidates: Sequence[str]
) -> list[str]:
    """The notes of one comparison. candidates: the arms that `wanted` may have meant, when there is not just one."""
    arms = table["arm"].tolist()
    found = [_seeds(runs, arms), *_unfinished(runs, arms), _rule(runs)]
    if baseline is not None:
        found += _pairing(runs, table, baseline)
    elif len(candidates) > 1:
        found.append(
            f"No differences: baseline '{wanted}' may be {' or '.join(map(repr, candidates))}; name one with --baseline."
        )
    else:
        valid = ", ".join(f"'{arm}'" for arm in arms)
        found.append(f"No differences: no arm here is the baseline '{wanted}'; choose one of {valid} with --baseline.")
    return [*found, *mixed(runs)]


def missing(planned: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """How far a plan has come, if not to its end."""
    stored = set(frame["run_id"]) if len(frame) else set()
    absent = sum(run not in stored for run in planned)
    return (
        [f"{absent} of {len(planned)} planned runs not run yet; the same sweep command goes on with them."]
        if absent
        else []
    )


def mixed(frame: pd.DataFrame) -> list[str]:
    """Sources that should be one and are not."""
    found = []
    for column, what in SOURCES.items():
        counts = Counter("unknown" if v is None else text(v) for v in frame[column].tolist())
        if len(counts) > 1:
            parts = ", ".join(
                f"{value[:12] if column == 'git_commit' else value} ({n} {_plural(n, 'run')})"
                for value, n in sorted(counts.items())
            )
            found.append(f"Mixed {what}: {parts}.")
    return found


def skipped(items: Sequence[Skipped]) -> list[str]:
    """A count, and each reason with how often and one place where."""
    if not items:
        return []
    reasons = Counter(item.reason for item in items)
    first = {item.reason: item.path for item in reversed(items)}
    parts = "; ".join(f"{n} × {reason} ({first[reason]})" for reason, n in sorted(reasons.items()))
    return [f"Skipped {len(items)} {_plural(len(items), 'record')}: {parts}."]


def _seeds(runs: pd.DataFrame, arms: Sequence[str]) -> str:
    done = runs[runs["status"] == "completed"]
    seeds = {arm: spans(done.loc[done["label"] == arm, "seed"].tolist()) for arm in arms}
    if len(set(seeds.values())) == 1:
        return f"Seeds: {seeds[arms[0]] or 'no run completed'}{', the same in every arm' if len(arms) > 1 else ''}."
    by_seeds: dict[str, list[str]] = {}
    for arm, shown in seeds.items():
        by_seeds.setdefault(shown or "no run completed", []).append(arm)
    return "Seeds: " + "; ".join(f"{shown} ({', '.join(some)})" for shown, some in by_seeds.items()) + "."


def _unfinished(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    found = []
    runs = runs.sort_values("label", key=lambda labels: labels.map(arms.index), kind="stable")
    for status in ("failed", "diverged"):
        rows = runs[runs["status"] == status]
        parts = []
        for (arm, reason), some in rows.fillna({"reason": "no reason recorded"}).groupby(
            ["label", "reason"], sort=False
        ):
            first = (str(reason).strip().splitlines() or [""])[0]
            why = first if len(first) <= _SHORT else first[: _SHORT - 1] + "…"
            parts.append(f"{arm}, {_plural(len(some), 'seed')} {spans(some['seed'].tolist())} ({why})")
        if parts:
            found.append(f"{status.capitalize()}, in no mean: {'; '.join(parts)}.")
    return found


def _rule(runs: pd.DataFrame) -> str:
    """How the epoch was chosen is in each run's configuration; within a comparison only `patience` may differ."""
    row = runs.iloc[0]
    scores = {"val_loss": "the lowest validation loss", "val_accuracy": "the highest validation accuracy"}
    score = scores.get(str(row.get("train.monitor")), "the best validation score")
    patience = runs.get("train.patience")
    restored = patience is not None and row.get("train.restore_best") is True
    stopping = [v is None or absent(v) for v in patience] if restored and patience is not None else []
    epoch = "the last epoch"
    if stopping and not any(stopping):
        epoch = f"the epoch with {score}"
    elif not all(stopping):
        epoch = f"the last epoch, or with early stopping the epoch with {score}"
    sizes = {n for n in runs["test_examples"].tolist() if isinstance(n, int)}
    size = f" ({sizes.pop():,} examples)" if len(sizes) == 1 else ""
    spread = " ± is the sd over seeds." if runs["seed"].nunique() > 1 else ""
    return (
        f"Rule: every number is from {epoch}, and the test split{size} was read once, there. "
        f"Gap = training minus validation, both in eval mode.{spread}"
    )


def _pairing(runs: pd.DataFrame, table: pd.DataFrame, baseline: str) -> list[str]:
    others = table[table["arm"] != baseline]
    if others.empty:
        return []
    found = []
    seeds = {arm: set(runs.loc[runs["label"] == arm, "seed"]) for arm in table["arm"]}
    alone = {arm: sorted(seeds[arm] ^ seeds[baseline]) for arm in others["arm"] if seeds[arm] != seeds[baseline]}
    if alone:
        parts = "; ".join(f"{arm}, {_plural(len(s), 'seed')} {spans(s)}" for arm, s in alone.items())
        found.append(f"Run in one of the two arms only, so in no difference from {baseline}: {parts}.")
    few = others[others["pairs"] < MIN_PAIRS]
    if len(few):
        n = int(few["pairs"].max())
        who = "" if len(few) == len(others) else f" in {', '.join(few['arm'])}"
        best = f"even if all {n} differences point one way, a sign-flip test cannot go below p = {2 / 2**n:.4g}"
        least = f": {best}" if n > 1 else ""
        found.append(f"Fewer than six pairs{who}, so no winner is named{least}.")
    return found


def _plural(n: int, word: str) -> str:
    return word if n == 1 else word + "s"
