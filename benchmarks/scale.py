"""The cost of plans, results folders and reports of 10^2 to 10^5 runs, and a driver's cost for each run that ends.

    python -m benchmarks.scale FOLDER [--most 100000] [--out results/reference/scale.md]

The results folders are created in FOLDER (benchmarks/large_folder.py), 25 KB per run; existing ones are reused. Whole commands
are timed from their start: wall-clock seconds, with processor seconds in brackets. "First" is without an index, "again" with
the index that the first command wrote. A driver's costs are timed in this process by the functions that `sweep` calls, in a
results folder of the given size; files are synced as in a sweep.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.large_folder import overrides, planned, write
from dropbench.store import RUNS, Store
from dropbench.store.index import INDEX

SHAPES = {100: (1, 10, 10), 1_000: (1, 50, 20), 10_000: (1, 100, 100), 100_000: (1, 1_000, 100)}
"""Tables, arms per table, and seeds, by number of runs."""
WRITTEN, COHORT = 200, 50
"""The number of runs that a driver is timed on, and the size of a cohort."""
WORKERS = 1_000


@dataclass(frozen=True)
class Took:
    """Wall-clock seconds and processor seconds."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} ({self.processor:.1f})"


def command(*words: str) -> Took:
    """Run a command of dropbench, discard its output, and return how long it took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dropbench", *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.perf_counter() - began, used)


def commands(runs: int, folder: Path) -> dict[str, Took]:
    """Time the usual commands on a plan and a folder with this many runs."""
    typed, most, where = overrides(*SHAPES[runs]), ["--max-runs", str(runs)], str(folder)
    aside = folder.parent / f"{folder.name}_out"
    (folder / INDEX).unlink(missing_ok=True)
    taken = {
        "plan: `sweep --dry-run`, nothing trained": command("sweep", *typed, *most, f"results={aside}", "--dry-run"),
        "`report`, first": command("report", where),
        "`report`, again": command("report", where),
        "`report --format csv`": command("report", where, "--format", "csv", "--out", str(aside.with_suffix(".csv"))),
        "`report --format html`": command(
            "report", where, "--format", "html", "--out", str(aside.with_suffix(".html"))
        ),
        "`runs list`": command("runs", "list", "--results", where),
        "`sweep` again, all finished, `--quiet`": command("sweep", *typed, *most, f"results={where}", "--quiet"),
    }
    shutil.rmtree(aside, ignore_errors=True)
    return taken | {"status: `report --watch` counts what has ended": standing(folder)}


def standing(folder: Path) -> Took:
    """Time computing the progress of the newest plan, in a separate process."""
    code = "import sys; from pathlib import Path; from datetime import datetime, UTC; from dropbench.report import standing; "
    code += "print(standing([Path(sys.argv[1])], [], datetime.now(UTC)))"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def driver(runs: int, folder: Path) -> dict[str, float]:
    """Return a driver's milliseconds for each run that ends, by kind of work, with a folder of this many runs."""
    from dropbench.cli.progress import TrainingProgress
    from dropbench.execute.agenda import Agenda, marks
    from dropbench.execute.cohorts import cohorts
    from dropbench.execute.local import Stored
    from dropbench.execute.memory_limits import MemoryLimits
    from dropbench.store.claims import Claims

    plan = planned(overrides(*SHAPES[runs]))
    store, specs = Store(folder), list(plan.specs)
    records = list(store.done(s.run_id for s in specs[:WRITTEN]).values())
    spent: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent[name] = 1000 * (time.perf_counter() - began) / len(records)

    work = cohorts(specs, plan.outlines, plan.settings, "cpu", 2, lambda group, rule, most: COHORT)
    progress = TrainingProgress(lambda text: None, [c.specs for c in work], {}, None)
    with Claims(folder) as claims:
        agenda = Agenda(
            work, store, claims, MemoryLimits(plan.settings, "cpu", 2), progress.listen, marks(specs, store)
        )
        with timed("claims: which runs are this command's to train"):
            taken = [cohort for _ in range(-(-len(records) // COHORT)) if (cohort := agenda.next()) is not None]
        with timed("claims given up"):
            for spec in [s for cohort in taken for s in cohort.specs][: len(records)]:
                agenda.ended(spec.run_id)
    written = _again(store, records)
    with timed("record, history and predictions written and synced"):
        for put in written:
            put()
    with timed("progress told"):
        for record in records:
            progress.finished(Stored(record, folder, ()))
    return spent | {"in all": sum(spent.values())}


def _again(store: Store, records: list[Any]) -> list[Callable[[], object]]:
    """Remove the folders of these runs, and return functions that store each of them again."""
    from dropbench.execute.keeping import kept_files

    found: list[Callable[[], object]] = []
    for record in records:
        place = store.root / RUNS / record.run_id
        files = kept_files(place, ("test.npz",))
        history = [dict(line) for line in _rows(place / "history.csv")]
        config = (place / "config.yaml").read_text()
        shutil.rmtree(place)
        found.append(lambda r=record, h=history, c=config, f=files: store.write(r, h, c, beside=f))  # type: ignore[misc]
    return found


def _rows(file: Path) -> list[dict[str, str]]:
    head, *lines = file.read_text().splitlines()
    return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]


def table(columns: dict[int, dict[str, str]]) -> str:
    """Return a table with a row for each thing that was timed and a column for each number of runs."""
    lines = [f"| | {' | '.join(f'{runs:,} runs' for runs in columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in next(iter(columns.values())):
        lines.append(f"| {name} | {' | '.join(told[name] for told in columns.values())} |")
    return "\n".join(lines)


def text(taken: dict[int, dict[str, Took]], spent: dict[int, dict[str, float]], typed: str) -> str:
    """Return the page in Markdown."""
    whole = spent[max(spent)]["in all"] / 1000
    size = max(taken)
    shapes = "; ".join(f"{runs:,} runs: {SHAPES[runs][1]:,} arms under {SHAPES[runs][2]:,} seeds" for runs in taken)
    machine = (
        f"{os.cpu_count()} cores ({platform.processor() or platform.machine()}), Python {platform.python_version()}"
    )
    parts = [
        "# A results folder of 10^5 runs",
        f"`{typed}`, on {machine}. Seconds of whole commands by the clock, and of the processor in brackets, each measured "
        f"once. {shapes}; one table, on digits with five epochs a run. Every run has a record, a history, its configuration "
        "and what it said of its test examples; `benchmarks/large_folder.py` makes them.",
        table({runs: {name: str(took) for name, took in each.items()} for runs, each in taken.items()}),
        '"First" is without an index, and writes it; "again" with it ([docs/design.md](../../docs/design.md)).',
        "## What a driver spends on a run",
        f"Milliseconds for each run that ends, in cohorts of {COHORT}, by what `sweep` calls. It does not grow with the runs "
        "of the plan or of the folder.",
        table({runs: {name: f"{ms:.2f}" for name, ms in each.items()} for runs, each in spent.items()}),
        f"## On paper: {WORKERS:,} workers",
        f"A run costs a driver {whole * 1000:.1f} ms, so one driver takes in {1 / whole:,.0f} runs a second. It keeps "
        f"{WORKERS:,} workers busy as long as a run takes a worker {WORKERS * whole:.1f} s or more, or a cohort of {COHORT} "
        f"runs {WORKERS * whole * COHORT / 60:.1f} minutes. Workers wait for the driver if runs are shorter: then the plan is "
        f"better cut into parts, each with a driver of its own. {size:,} runs cost one driver {size * whole / 60:.1f} minutes "
        "in all. Most of it is waiting for the disk, of which each machine and each network folder has its own numbers.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Create missing folders, time the commands, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=max(SHAPES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    taken, spent = {}, {}
    for runs in (n for n in SHAPES if n <= given.most):
        folder = given.folder / f"runs_{runs}"
        if not folder.exists():
            given.folder.mkdir(parents=True, exist_ok=True)
            write(planned(overrides(*SHAPES[runs])), folder)
        taken[runs] = commands(runs, folder)
        spent[runs] = driver(runs, folder)
        for name, took in [*taken[runs].items(), *((n, f"{ms:.2f} ms") for n, ms in spent[runs].items())]:
            print(f"{runs:>7,} runs  {name}: {took}", flush=True)
    most = f" --most {given.most}" if given.most < max(SHAPES) else ""
    page = text(taken, spent, f"python -m benchmarks.scale FOLDER{most}")
    if given.out is not None:
        given.out.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
