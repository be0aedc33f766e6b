"""Measures dropbench beside what a user would use instead.

    python -m benchmarks [--only NAME[,NAME]] [--runners NAME[,NAME]] [--n 5] [--quick] [--data ROOT] [--out FOLDER]

Writes benchmarks.csv and benchmarks.md. The rows of a measured part replace its old rows from the same processor model; all
other rows stay. With --runners, only rows of runners that were measured are replaced.
Figures worth citing need an otherwise idle machine; --quick only shows that everything works, and writes elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import end_to_end, growth, identity, language, masks, products, recurrent, results, roofline
from benchmarks.machine import OtherWork, provenance
from benchmarks.measure import Row
from benchmarks.runners import environment
from benchmarks.workloads import WORKLOADS, quick
from dropbench.hardware.allocator import keep_freed_memory


@dataclass(frozen=True)
class Options:
    """The options of the command line: `n` blocks, whether to be quick, and the folder of downloaded data."""

    n: int
    quick: bool
    root: str | None
    runners: tuple[str, ...] | None = None
    """In sweeps, the runners that are measured beside dropbench; None for all."""

    @property
    def seconds(self) -> float:
        """The duration of a block of one call, in the parts that measure inside this process."""
        return 0.02 if self.quick else 0.5


@dataclass(frozen=True)
class Part:
    """A part of the benchmarks; `minutes` is the duration of 5 blocks on two processors."""

    title: str
    minutes: float
    measure: Callable[[Options], list[Row]]
    needs_data: bool = False


DISTURBED = 0.1
"""If other work uses more than this share of a processor, figures are not worth citing."""


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def parts() -> dict[str, Part]:
    """Return all parts by name, in the order of the report."""
    sweeps = {}
    for name, work in WORKLOADS.items():

        def sweep(o: Options, name: str = name) -> list[Row]:
            return end_to_end.measure(quick(WORKLOADS[name]) if o.quick else WORKLOADS[name], o.n, say, o.runners)

        sweeps[name] = Part(work.title, work.minutes, sweep, needs_data=work.data != "digits")
    small = {
        "masks": Part("Masks of 128 × 1024 activations, one thread", 0.3, lambda o: masks.measure(o.n, o.seconds)),
        "recurrent": Part(
            "One recurrent layer of 128 units, 28 steps, batches of 128, one thread, time a replica",
            1.0,
            lambda o: recurrent.measure(o.n, o.seconds),
        ),
        "products": Part(
            "Products of two matrices in float32 by MKL, oneDNN and NumPy, one thread",
            0.7,
            lambda o: products.measure(o.n, o.seconds / 2),
        ),
        "language": Part(
            "A training step of LSTM 2 × 200 on Penn Treebank, 20 × 20 words, one thread",
            1.0,
            lambda o: language.measure(o.n, 4 * o.seconds),
            needs_data=True,
        ),
        "roofline": Part(
            "Operations of a training step over those of a large product, one thread",
            1.0,
            lambda o: roofline.measure(o.n, o.seconds, _roofline(o)),
        ),
        "growth": Part(
            "Sweeps of growing size: digits MLP 128-128 by runs, digits by width, MNIST 256-256 by examples, 3 epochs",
            5.5,
            lambda o: growth.measure(o.n, say, o.root is not None, o.quick),
        ),
        "identity": Part(
            "16 runs a model in cohorts of 1, 3 and 16 under 1 and 2 workers",
            2.5,
            lambda o: identity.measure(say, o.root is not None, o.quick),
        ),
    }
    return sweeps | small


def _roofline(options: Options) -> list[str]:
    return [w for w in roofline.STACKS if options.root is not None or WORKLOADS[w].data == "digits"]


def main() -> None:
    """Measure what the command line asks for, and write both files after every part."""
    known = parts()
    args, chosen = _asked(known)
    clean = environment()
    if os.environ.keys() - clean.keys() - {"MKL_CBWR"}:  # dropbench sets MKL_CBWR; some parts measure in this process
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], clean)
    root = args.data or os.environ.get("DROPBENCH_DATA")
    if root is not None:
        os.environ["DROPBENCH_DATA"] = root
    runners = tuple(args.runners.split(",")) if args.runners else None
    options = Options(1 if args.quick else args.n, args.quick, root, runners)
    out = args.out or Path("results/quick" if args.quick else "results/reference")
    keep_freed_memory()  # as dropbench's workers do, so that peers measured inside this process benefit too
    origin = provenance() | {"command": _command(args.only, options)}
    if not options.quick:
        minutes = sum(known[name].minutes for name in chosen) * options.n / 5
        say(f"about {minutes:.0f} minutes for {len(chosen)} parts on two processors")
    failed = [name for name in chosen if not _carried_out(name, known, options, out, origin)]
    say(str(out / "benchmarks.md"))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _asked(known: Mapping[str, Part]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return its options and the names of the parts that it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"of {', '.join(known)}")
    parser.add_argument(
        "--runners", help="of sweeps: what is measured beside dropbench, such as jax,torch.func (everything)"
    )
    parser.add_argument("--n", type=int, default=5, help="blocks (5)")
    parser.add_argument("--quick", action="store_true", help="one block of next to nothing: whether it works at all")
    parser.add_argument("--data", metavar="ROOT", help="the folder of downloaded data (DROPBENCH_DATA)")
    parser.add_argument("--out", type=Path, help="results/reference; with --quick results/quick")
    args = parser.parse_args()
    chosen = args.only.split(",") if args.only else list(known)
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"--only {unknown[0]}: there is {', '.join(known)}")
    timed = dict.fromkeys(runner for work in WORKLOADS.values() for runner in work.timed)
    if unknown := [name for name in (args.runners or "").split(",") if name and name not in timed]:
        parser.error(f"--runners {unknown[0]}: there is {', '.join(timed)}")
    return args, chosen


def _command(only: str | None, options: Options) -> str:
    """Return the command that gives the same figures."""
    told = ",".join(options.runners or ())
    runners = f"--runners '{told}'" if " " in told else f"--runners {told}"
    flags = ((f"--only {only}", only), (runners, told), (f"--n {options.n}", True), ("--quick", options.quick))
    return "python -m benchmarks" + "".join(f" {flag}" for flag, given in flags if given)


def _carried_out(name: str, known: Mapping[str, Part], options: Options, out: Path, origin: Mapping[str, str]) -> bool:
    """Measure one part and save its rows; return False if it failed, and True also if its data are missing."""
    part = known[name]
    if part.needs_data and options.root is None:
        say(f"{name}: left out, its data are not here: set DROPBENCH_DATA or give --data ROOT")
        return True
    say(f"{name}: {part.title}" + ("" if options.quick else f"; about {part.minutes * options.n / 5:.1f} min"))
    began, others = time.perf_counter(), OtherWork()
    try:
        rows = part.measure(options)
    except Exception as error:  # if one part fails, the others still run
        say(f"{name}: FAILED: {error}")
        return False
    used = f"other work on {100 * others.share():.0f} % of a processor"
    with_others = {**origin, "machine": f"{origin['machine']}, {used}"}
    titles = {key: each.title for key, each in known.items()}
    before = results.load(out / "benchmarks.csv")
    results.save(results.merge(before, rows, with_others, options.runners), out, titles)
    say(f"{name}: {(time.perf_counter() - began) / 60:.1f} min, {used}")
    if others.share() > DISTURBED:
        say(f"{name}: NOT FOR CITING: processes on several threads lose far more than the others took")
    return True


if __name__ == "__main__":
    main()
