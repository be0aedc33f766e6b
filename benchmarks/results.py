"""Reads and writes benchmarks.csv, and writes benchmarks.md, the same in readable form."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.claims import verdicts
from benchmarks.measure import Row

NUMBERS = ("n", "median", "low", "high")
MADE_BY = ("date", "commit", "machine", "versions", "command")


@dataclass(frozen=True)
class Kept:
    """A row and its origin: the values of `MADE_BY`."""

    row: Row
    origin: Mapping[str, str]


def load(file: Path) -> list[Kept]:
    """Return the rows of benchmarks.csv; empty if there is no such file."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [_kept(line) for line in csv.DictReader(lines)]


def merge(
    old: Sequence[Kept], new: Sequence[Row], origin: Mapping[str, str], runners: Collection[str] | None = None
) -> list[Kept]:
    """Return the rows, with new rows instead of old ones of the same workload and processor model.

    If only some `runners` were measured, old rows of other runners are kept too.
    """
    again = {r.workload for r in new}
    names = {r.runner for r in new}

    def stays(kept: Kept) -> bool:
        if kept.row.workload not in again or processor(kept.origin) != processor(origin):
            return True
        return runners is not None and kept.row.runner not in names

    return [k for k in old if stays(k)] + [Kept(r, origin) for r in new]


def processor(origin: Mapping[str, str]) -> str:
    """Return the number and model of the processors that a row was measured on."""
    return origin["machine"].split(",")[0]


def save(kept: Sequence[Kept], folder: Path, titles: Mapping[str, str]) -> None:
    """Write both files, with workloads in the order of `titles`."""
    order = list(titles)
    ordered = sorted(kept, key=lambda k: order.index(k.row.workload) if k.row.workload in order else len(order))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "benchmarks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)] + list(MADE_BY), lineterminator="\n")
        writer.writeheader()
        for one in ordered:
            numbers = {name: f"{getattr(one.row, name):.6g}" for name in NUMBERS}
            writer.writerow(asdict(one.row) | numbers | dict(one.origin))
    (folder / "benchmarks.md").write_text(markdown(ordered, titles), encoding="utf-8")


def markdown(kept: Sequence[Kept], titles: Mapping[str, str]) -> str:
    """Return the text of benchmarks.md: claims, then a table for each workload, then how each was measured."""
    on = {
        name: [k for k in kept if processor(k.origin) == name]
        for name in dict.fromkeys(processor(k.origin) for k in kept)
    }
    parts = ["# Benchmarks", _HOW, "## Claims", _claims(on)]
    for workload in dict.fromkeys(k.row.workload for k in kept):
        parts += [f"## {workload}", titles.get(workload, "") + "."]
        for name, there in on.items():
            if rows := [k.row for k in there if k.row.workload == workload]:
                parts += [f"On {name}:", _table(rows)] if len(on) > 1 else [_table(rows)]
    parts += ["## Made by", _made(kept)]
    return "\n\n".join(parts) + "\n"


_HOW = """\
The runners of a workload are timed in turn (A B C, A B C, ...), each as a whole process. A figure is the median over n such
rounds, with the smallest and largest in brackets; a ratio is the median of the ratios within each round.
Where a runner would take too long for all runs of a sweep, `runs_timed` says how many were timed. The sweep's time is then the
time of that process plus the cost of one more run, without start-up, for each missing run. Processor time is the time that all
cores together computed for a whole sweep; other work on the machine distorts it less than it does elapsed time. A row does not
count if its test accuracy (`reached`) differs from that of dropbench by more than noise. Every figure is in benchmarks.csv.
All of this page was measured on CPUs; [gpu.md](gpu.md) has a GPU."""


def _claims(on: Mapping[str, Sequence[Kept]]) -> str:
    """Return a table with a line for each claim, or, with several processors, for each processor it was measured on."""
    head = ["claim", "asked", "measured", "reached", *(["on"] if len(on) > 1 else [])]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    decided = [(name, verdicts(k.row for k in there)) for name, there in on.items()]
    for number, (claim, *_) in enumerate(verdicts([])):
        found = [(name, *of_all[number][1:]) for name, of_all in decided if of_all[number][1] is not None]
        for name, row, verdict in found or [("", None, "not measured")]:
            cells = [claim.text, claim.limit, "" if row is None else _numbers(row), verdict]
            lines.append(f"| {' | '.join([*cells, *([name] if len(on) > 1 else [])])} |")
    return "\n".join(lines)


def _table(rows: Sequence[Row]) -> str:
    optional = [name for name in ("runs_timed", "accuracy", "counts") if any(getattr(r, name) for r in rows)]
    heads = {"runs_timed": "runs timed", "accuracy": "reached", "counts": "counts"}
    header = ["runner", "what", "median (low – high)", "n", *(heads[name] for name in optional)]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for r in rows:
        cells = [r.runner, r.what, _numbers(r), str(r.n), *(getattr(r, name) for name in optional)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _numbers(row: Row) -> str:
    unit = f" {row.unit}" if row.unit else ""
    if row.n == 1:
        return f"{_short(row.median)}{unit}"
    return f"{_short(row.median)}{unit} ({_short(row.low)} – {_short(row.high)})"


def _short(value: float) -> str:
    """Return a number with three significant digits; from a hundred on, rounded to an integer."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _made(kept: Sequence[Kept]) -> str:
    """Return a line for each date, commit, machine and command, with the workloads that were measured by it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in kept:
        groups.setdefault(tuple(one.origin.get(name, "") for name in MADE_BY), []).append(one.row.workload)
    lines = []
    for (date, commit, machine, versions, command), workloads in groups.items():
        named = ", ".join(dict.fromkeys(workloads))
        lines.append(f"- {named}: `{command}`, {date}, commit {commit}; {machine}; {versions}.")
    return "\n".join(lines)


def _kept(line: Mapping[str, str]) -> Kept:
    texts = {f.name: line[f.name] for f in fields(Row) if f.name not in NUMBERS}
    row = Row(
        n=int(float(line["n"])),
        median=float(line["median"]),
        low=float(line["low"]),
        high=float(line["high"]),
        **texts,
    )
    return Kept(row, {name: line[name] for name in MADE_BY})
