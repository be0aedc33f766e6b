"""`dropbench advise` on every table of a folder, judged by the same arms under thirty seeds that the advice has not used.

    python -m benchmarks.advice FOLDER [--minutes 5] [--at-once 2] [--results DIR] [--out advice.md] [--only german,wdbc]

Each table is one command with one worker; `--at-once` of them run in parallel. Then all arms are trained under fresh seeds at
the learning rates that were chosen for them. The table compares the gain of the advised arm with that of the best arm there.
Existing results are not computed again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from omegaconf import OmegaConf

from benchmarks.tables import TARGETS
from dropbench.config.yaml import as_yaml
from dropbench.planning.reproduce import overrides
from dropbench.report import build
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.report import Report
from dropbench.values import count

SEEDS = range(1000, 1030)
STUDY = "judged"


@dataclass(frozen=True)
class Judged:
    """One table: the advice and its number of seeds, and the comparison of all arms under fresh seeds."""

    name: str
    decision: str
    arm: str
    seeds: int
    fresh: Comparison

    @property
    def region(self) -> float:
        """Half the width of the region of equivalence."""
        return next(iter(self.fresh.verdicts.values())).region

    def gain(self, arm: str) -> float:
        """Return by how much an arm is better than none, as a mean over the fresh seeds."""
        if arm == self.fresh.baseline:
            return 0.0
        told = self.fresh.verdicts[arm]
        return told.measure.direction * told.difference.mean

    @property
    def best(self) -> str:
        """The arm with the best mean."""
        return max([str(self.fresh.baseline), *self.fresh.verdicts], key=self.gain)

    @property
    def cost(self) -> float:
        """The gain that was lost by following the advice instead of using the best arm under the fresh seeds."""
        return self.gain(self.best) - self.gain(self.arm)

    @property
    def confirmed(self) -> list[str]:
        """The arms that the fresh seeds confirm to be better than none."""
        return [a for a, v in self.fresh.verdicts.items() if v.confirmed and v.direction == "better"]

    @property
    def wrong(self) -> bool:
        """Whether the fresh seeds refute the advice: an arm is better although none was advised, or the advised arm is not."""
        if self.arm == self.fresh.baseline:
            return bool(self.confirmed)
        told = self.fresh.verdicts[self.arm]
        return told.confirmed and told.direction != "better"


def ask(file: Path, results: Path, minutes: float) -> dict[str, Any]:
    """Return the advice on a table as a JSON object."""
    said = results / f"{file.stem}.json"
    if not said.exists():
        words = ["data=csv", f"data.path={file}", f"data.target={TARGETS.get(file.stem, 'target')}"]
        words += ["execute.workers=1", f"results={results / file.stem}", "--minutes", str(minutes), "--json"]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "dropbench", "advise", *words], capture_output=True, text=True, check=True
        )
        said.write_text(done.stdout, encoding="utf-8")
        print(f"{file.stem}: {time.monotonic() - began:.0f} s, {json.loads(done.stdout)['decision']}", flush=True)
    told: dict[str, Any] = json.loads(said.read_text(encoding="utf-8"))
    return told


def judge(file: Path, results: Path, told: dict[str, Any]) -> Judged:
    """Train the same arms under the fresh seeds, as far as they are missing, and return the judgement."""
    asked, fresh = build([results / file.stem], ["study=advise"], None), results / f"{file.stem}-fresh"
    conf = results / f"{file.stem}-conf"
    (conf / "study").mkdir(parents=True, exist_ok=True)
    (conf / "study" / f"{STUDY}.yaml").write_text(as_yaml(_study(asked)), encoding="utf-8")
    words = ["--conf", str(conf), f"study={STUDY}", "execute.workers=1", f"results={fresh}", "--quiet"]
    subprocess.run([sys.executable, "-m", "dropbench", "sweep", *words], check=True)
    (comparison,) = build([fresh], [f"study={STUDY}"], None).comparisons
    seeds = max(v.difference.n for v in asked.comparisons[0].verdicts.values())
    return Judged(file.stem, told["decision"], told["arm"], seeds, comparison)


def _study(asked: Report) -> dict[str, Any]:
    """Return a study of the same arms under the fresh seeds, each at the learning rate that was chosen for it."""
    c = asked.comparisons[0]
    arms = {arm.label: dict(map(_pair, overrides(asked.configs[c.run_of(arm.label)]))) for arm in c.arms}
    return {
        "question": "Was the advice right?",
        "baseline": c.baseline,
        "seed": f"range({SEEDS.start},{SEEDS.stop})",
        "arms": arms,
    }


def _pair(override: str) -> tuple[str, Any]:
    key, _, value = override.partition("=")
    return key, OmegaConf.create(f"v: {value}").v  # parses numbers as the command line does


def markdown(rows: Sequence[Judged]) -> str:
    """Return the table in Markdown, and how often the advice was right."""
    lines = [
        "| table | advice | seeds | gain of it, fresh seeds | best mean there | its gain | counts as none | confirmed there |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for row in rows:
        m = next(iter(row.fresh.verdicts.values())).measure
        advised = {"use": f"use {row.arm}", "leave": "don't bother", "unknown": "cannot tell"}[row.decision]
        gains = [m.difference(row.gain(arm)) for arm in (row.arm, row.best)]
        confirmed = ", ".join(f"{arm} better" for arm in row.confirmed) or "-"
        cells = [row.name, advised, str(row.seeds), gains[0], row.best, gains[1], m.size(row.region), confirmed]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_across(rows)])


def _across(rows: Sequence[Judged]) -> list[str]:
    """Return lines on how often each advice was given, and how it did under the fresh seeds."""
    given = Counter(r.decision for r in rows)
    spoken = {"use": "use this", "leave": "don't bother", "unknown": "cannot tell"}
    lines = []
    for decision, n in given.most_common():
        of = [r for r in rows if r.decision == decision]
        lost = [r.cost / r.region for r in of]
        opposite = sum(r.wrong for r in of)
        told = f"{count(n, 'table')}; the fresh seeds confirm the opposite on {opposite}"
        beside = f"it lost {median(lost):.1f} times what counts as none in the median, {max(lost):.1f} at most"
        lines.append(f"{spoken[decision]}: {told}. To the best mean of all arms, the luckiest of them, {beside}.")
    for arm in sorted({arm for r in rows for arm in r.fresh.verdicts}):
        told = Counter(r.fresh.verdicts[arm].verdict for r in rows if arm in r.fresh.verdicts)
        lines.append(f"{arm}, fresh seeds: {', '.join(f'{v} {n}' for v, n in told.most_common())}.")
    return lines


def main() -> None:
    """Ask, judge and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("results/advice"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    files = [f for f in sorted(given.folder.glob("*.csv")) if not wanted or f.stem in wanted]
    given.results.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.at_once) as pool:
        told = list(pool.map(lambda file: ask(file, given.results, given.minutes), files))
        rows = list(pool.map(lambda pair: judge(pair[0], given.results, pair[1]), zip(files, told, strict=True)))
    text = markdown(rows)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
