"""Shows that a change altered no number: runs the same commands on two checkouts and compares the results.

    python -m benchmarks.before_after BEFORE AFTER [--data ROOT] [--work FOLDER] [--times N]

BEFORE and AFTER are folders of checkouts, such as `git worktree add ../before main` makes. Each command runs once in each. Runs
are compared in the order of their plan, because a change may give them other ids: histories row by row, and the results in the
records. Seconds, memory and the cohort of a run are ignored. Then every report of these results is compared line by line, and
so are the error messages of the commands in `tests/golden/mistakes.txt`, the lists, and the exit codes. AFTER also reports the
results of BEFORE. With --times, the start-up times of both are measured alternately and printed side by side.

The exit code is 0 if everything is equal, and 1 if something differs, with a line for each difference.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SMALL = "data.n_train=150 train.epochs=2 seed=range(0,2)"
SWEEPS = {
    "demo": "study=three_arm data.n_train=300 data.val_fraction=0.5 data.label_noise=0.1 train.epochs=20",
    "mlp": f"dropout=glob(*) dropout.rate=0.3 {SMALL}",
    "cnn": f"model=cnn model.channels=[4,8] dropout=glob(*) dropout.rate=0.3 {SMALL}",
    "resnet": f"model=resnet dropout=none,standard,stochastic_depth,dropblock dropout.rate=0.3 {SMALL}",
    "rnn": f"model=rnn model.cell=lstm,gru dropout=glob(*) dropout.rate=0.3 {SMALL}",
    "transformer": f"model=transformer dropout=glob(*) dropout.rate=0.3 {SMALL}",
    "autoencoder": f"model=autoencoder train.monitor=val_loss dropout=none,standard,gaussian {SMALL}",
    "sites": f"dropout=standard dropout.rates={{input:0.2,'*':0.5}},{{hidden.1:0.4}} dropout.placement=null,[hidden.*] {SMALL}",
    "schedules": f"dropout/schedule=glob(*) dropout=standard dropout.rate=0.5 {SMALL}",
    "rates": f"dropout=standard,gaussian dropout.rate=0,0.2,0.5 train.weight_decay=0,1e-3 {SMALL}",
    "stopping": "train.patience=2 train.lr=0.01 train.grad_clip=1 train.max_norm=2 data.n_train=200 train.epochs=12 seed=0,1",
    "sgd": (
        "train.optimizer=sgd train.lr=0.05,1000 train.schedule=cosine train.label_smoothing=0.1 "
        "data.n_train=200 train.epochs=6 seed=range(0,3)"
    ),
    "bf16": f"train.precision=bf16 dropout=none,standard {SMALL}",
    "mc": f"eval.mode=mc,ensemble eval.passes=4 dropout=none,standard {SMALL}",
    "metrics": f"metric=[{{}}] dropout=none,standard dropout.rate=0.2,0.5 {SMALL}",
    "ordinary": f"--conf {{conf}} model=ordinary dropout=none,standard {SMALL}",
    "unstacked": f"--conf {{conf}} model=drawing dropout=none,standard {SMALL}",
    "study": "--conf {conf} study=pair data.n_train=150 train.epochs=2",
}
WITH_DATA = {
    "mnist": (
        "data=mnist model=cnn model.channels=[4,8] train.augment.crop=2 dropout=none,spatial "
        "data.n_train=300 train.epochs=2 seed=0,1"
    ),
    "cora": "model=gcn data=cora dropout=none,drop_edge,node_features train.epochs=5 seed=0,1",
    "mr": "model=rnn data=mr dropout=none,embedding data.n_train=300 train.epochs=1 seed=0,1",
    "ptb": (
        "model=lm data=ptb train=zaremba_small model.hidden=16 train.epochs=1 data.n_train=20000 "
        "dropout=none,locked,weight_drop seed=0"
    ),
}
REPORTS = (
    "",
    "--format csv",
    "--format json",
    "--format markdown",
    "--format latex",
    "--wide",
    "--metric loss --rope 1%",
    "--metric 'epochs to val_accuracy=0.5'",
    "--rows dropout.name --cols seed",
    "--rows dropout.rate --cols dropout --format csv",
    "--where 'dropout.rate<=0.3' --format csv",
    "seed=0 --format csv",
    "dropout=standard",
    "--baseline standard",
)
CLOSELY = ("demo", "rates", "sgd", "metrics", "study")
"""Sweeps for which all of `REPORTS` are compared; for the others, only the first two."""
FILES = {
    "ordinary.py": """
from torch import nn
from dropbench.sites import Site


class Ordinary(nn.Module):
    eats = ("flat",)

    def __init__(self, shape, n_classes, *, width: int = 64):
        super().__init__()
        self.first, self.head = nn.Linear(shape[0], width), nn.Linear(width, n_classes)
        self.sites = (Site("hidden", "activation", (width,), "F"),)

    def forward(self, x, noise):
        return self.head(noise("hidden", self.first(x).relu()))


class Drawing(Ordinary):
    def __init__(self, shape, n_classes, *, width: int = 30):
        super().__init__(shape, n_classes, width=width)
        self.own = nn.Dropout(0.0)

    def forward(self, x, noise):
        return self.head(noise("hidden", self.own(self.first(x)).sigmoid()))
""",
    "model/ordinary.yaml": "# A user's module\n_target_: ordinary.Ordinary\nname: ordinary\nwidth: 64\n",
    "model/drawing.yaml": "# A user's module that is not stacked\n_target_: ordinary.Drawing\nname: drawing\nwidth: 30\n",
    "study/pair.yaml": (
        "# A user's study\nquestion: Is it worth it?\nbaseline: without\nseed: 0,1\n"
        "arms:\n  without: {dropout: none}\n  with: {dropout.rate: 0.4}\n"
    ),
}
STARTS = {
    "--help": "--help",
    "list": "list",
    "report": "report {results}/demo",
    "sweep --dry-run": "sweep study=three_arm --dry-run results={results}/new",
    "train, one epoch": "train train.epochs=1 data.n_train=100 results={results}/one-{n}",
}
VARYING = re.compile(r"second|memory|time|seconds|peak")
UNTOLD = {"seconds", "peak_memory_mb"}
MEASURED = (
    "status",
    "reason",
    "metrics",
    "chosen_epoch",
    "epochs_run",
    "n",
    "parameters",
    "rates",
    "learned_rates",
    "arrays",
    "seed",
    "data_fingerprint",
)


class Checkout:
    """One of the two checkouts, with the folder for its results."""

    def __init__(self, root: Path, work: Path, data: str | None) -> None:
        self.root, self.work = root.resolve(), work
        self.work.mkdir(parents=True, exist_ok=True)
        self.conf = self.work / "mine"
        for name, text in FILES.items():
            (self.conf / name).parent.mkdir(parents=True, exist_ok=True)
            (self.conf / name).write_text(text)
        self._environment = {**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "150", "XDG_CACHE_HOME": str(work)}
        if data:
            self._environment["DROPBENCH_DATA"] = data

    def call(self, words: str, *, code: str = "-m dropbench") -> subprocess.CompletedProcess[str]:
        """Run this checkout's dropbench with these arguments in its own process."""
        command = [sys.executable, *shlex.split(code), *shlex.split(words)]
        return subprocess.run(command, cwd=self.work, env=self._environment, capture_output=True, text=True)

    def metrics(self) -> str:
        """Return the names of all metrics that need no other data, separated by commas."""
        names = json.loads(self.call("list metrics --json").stdout)["metrics"]
        return ",".join(sorted(n for n in names if n not in ("ood", "missing_by_value")))


def records(results: Path, listed: list[str]) -> list[tuple[dict[str, Any], list[dict[str, str]]]]:
    """Return the record and history of each run, in the order of the plan."""
    loaded = []
    for run in listed:
        folder = next(f for f in (results / "runs" / run, results / "failed" / run) if f.exists())
        record = json.loads((folder / "record.json").read_text())
        with (folder / "history.csv").open() as file:
            rows = [{k: v for k, v in row.items() if k not in UNTOLD} for row in csv.DictReader(file)]
        loaded.append((record, rows))
    return loaded


def differences(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each result that differs between two records of the same run."""
    for key in MEASURED:
        if before.get(key) != after.get(key):
            yield f"{name}: {key} was {before.get(key)} and is {after.get(key)}"


def compared(name: str, before: Checkout, after: Checkout, said: tuple[str, str]) -> Iterator[str]:
    """Yield differences in records and histories of one sweep; `said` is the output of `sweep --json` in each checkout."""
    trees = [json.loads(text) for text in said]
    if len(trees[0]["runs"]) != len(trees[1]["runs"]):
        yield f"{name}: {len(trees[0]['runs'])} runs before, {len(trees[1]['runs'])} after"
        return
    both = [records(c.work / "results" / name, t["runs"]) for c, t in zip((before, after), trees, strict=True)]
    for i, ((old, rows), (new, others)) in enumerate(zip(*both, strict=True)):
        yield from differences(f"{name}, run {i}", old, new)
        if rows != others:
            first = next((n for n, (a, b) in enumerate(zip(rows, others, strict=False)) if a != b), len(rows))
            yield f"{name}, run {i}: its history differs from row {first} on"


def told(output: str, fmt: str) -> list[str]:
    """Return the lines of a report without seconds, memory and ids, which always differ.

    Numbers are compared to ten digits, because runs are ordered by their ids, and the last digits of a sum depend on the order.
    """
    output = re.sub(r"-?\d+\.\d{12,}(e-?\d+)?", lambda number: f"{float(number[0]):.10g}", output)
    if "csv" in fmt:
        table = list(csv.DictReader(output.splitlines()))
        return [str({k: v for k, v in row.items() if k != "arm_id" and not VARYING.search(k)}) for row in table]
    if "json" in fmt:
        tree = json.loads(output)
        rows = [{k: v for k, v in r.items() if k != "arm_id" and not VARYING.search(k)} for r in tree.pop("rows")]
        return json.dumps([rows, tree], indent=1).splitlines()
    # A table with a column of seconds is removed, from its headings to the next blank line; its other numbers are in the csv.
    output = re.sub(r"(?m)^(.*\bseconds\b.*)$(?s:.*?)(?=^\s*$|\Z)", "", output)
    return output.splitlines()


def reports(name: str, before: Checkout, after: Checkout) -> Iterator[str]:
    """Yield differences between the reports of one sweep, including AFTER's report of the results of BEFORE."""
    stored = before.work / "results" / name, after.work / "results" / name
    for options in REPORTS if name in CLOSELY else REPORTS[:2]:
        old = before.call(f"report {shlex.quote(str(stored[0]))} {options}")
        for what, new in (
            ("", after.call(f"report {shlex.quote(str(stored[1]))} {options}")),
            (" of what BEFORE stored", after.call(f"report {shlex.quote(str(stored[0]))} {options}")),
        ):
            alike = [
                c.stdout.replace(str(w.work), "") for c, w in ((old, before), (new, after if not what else before))
            ]
            mistakes = [
                c.stderr.replace(str(w.work), "") for c, w in ((old, before), (new, after if not what else before))
            ]
            texts = [told(t, options) if c.returncode == 0 else [t] for t, c in zip(alike, (old, new), strict=True)]
            if old.returncode != new.returncode or mistakes[0] != mistakes[1]:
                yield f"{name}: report {options}{what}: {old.returncode} {mistakes[0]!r}, now {new.returncode} {mistakes[1]!r}"
            elif texts[0] != texts[1]:
                pair = next(((a, b) for a, b in zip(*texts, strict=False) if a != b), ("", "a line more or less"))
                yield f"{name}: report {options}{what}:\n    {pair[0]}\n    {pair[1]}"


def lists(before: Checkout, after: Checkout) -> Iterator[str]:
    """Yield differences in lists, printed configurations and error messages."""
    for words in ("list --json", "list", "train --cfg", "train --cfg --json model=cnn"):
        if before.call(words).stdout != after.call(words).stdout:
            yield f"{words}: another output"
    golden = (before.root / "tests" / "golden" / "mistakes.txt").read_text()
    for command in re.findall(r"(?m)^\$ dropbench (.*)$", golden):
        old, new = before.call(command), after.call(command)
        if (old.returncode, old.stderr) != (new.returncode, new.stderr):
            yield f"{command}: {old.returncode} {old.stderr.strip()!r} before, {new.returncode} {new.stderr.strip()!r} after"


def starts(before: Checkout, after: Checkout, n: int) -> list[str]:
    """Return a table of the seconds of whole processes, medians of n, measured alternately."""
    lines = [f"{'seconds, median of ' + str(n):24}  before  after"]
    for name, words in STARTS.items():
        taken: dict[str, list[float]] = {"before": [], "after": []}
        for i in range(n + 1):  # the first call of each is a warm-up
            for which, checkout in (("before", before), ("after", after)):
                began = time.perf_counter()
                checkout.call(words.format(results=checkout.work / "results", n=i))
                if i:
                    taken[which].append(time.perf_counter() - began)
        lines.append(f"{name:24}  {statistics.median(taken['before']):6.2f} {statistics.median(taken['after']):6.2f}")
    return lines


def main() -> int:
    """Compare what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--data", help="a folder with MNIST, cora, mr and ptb")
    parser.add_argument(
        "--work", type=Path, help="keep the results here; a sweep that is there already is not run again"
    )
    parser.add_argument("--only", help="names of sweeps, with commas between")
    parser.add_argument("--times", type=int, default=0, metavar="N")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="before_after_"))
    before = Checkout(options.before, work / "before", options.data)
    after = Checkout(options.after, work / "after", options.data)
    sweeps = {**SWEEPS, **(WITH_DATA if options.data else {})}
    chosen = options.only.split(",") if options.only else list(sweeps)
    unequal: list[str] = []
    for name in chosen:
        said = []
        for checkout in (before, after):
            words = sweeps[name].replace("{conf}", str(checkout.conf))
            words = words.replace("[{}]", f"[{before.metrics()}]") if name == "metrics" else words
            kept = checkout.work / f"{name}.json"
            if not kept.exists():
                parts = " ".join(shlex.quote(w) for w in re.findall(r"(?:[^\s{]|\{[^}]*\})+", words))
                done = checkout.call(f"sweep {parts} results={checkout.work}/results/{name} --json")
                if not done.stdout.startswith("{"):
                    print(f"{name}: {done.stderr}", file=sys.stderr)
                    return 1
                kept.write_text(done.stdout)
            said.append(kept.read_text())
        more = [*compared(name, before, after, (said[0], said[1])), *reports(name, before, after)]
        print(f"{name}: {len(json.loads(said[0])['runs'])} runs, {len(more)} differences", flush=True)
        unequal += more
    if not options.only:
        unequal += lists(before, after)
    for line in unequal:
        print(line)
    for line in starts(before, after, options.times) if options.times else ():
        print(line)
    print("everything is equal" if not unequal else f"{len(unequal)} differences")
    return bool(unequal)


if __name__ == "__main__":
    sys.exit(main())
