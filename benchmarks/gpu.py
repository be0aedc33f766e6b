"""Correctness and speed of dropbench on a GPU: all checks, and stacks beside plain PyTorch, in one report.

    python -m benchmarks.gpu --out results/reference/gpu.md --minutes 8

Run it from the root of a checkout, on a machine with a CUDA card; dropbench need not be installed. `--device cpu` tests the
script itself on small cases. The report is written after each section, so an interruption loses at most one section.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch

from benchmarks import gpu_checks, gpu_speed
from benchmarks.gpu_command import command_line
from benchmarks.gpu_log import Log
from benchmarks.machine import provenance
from dropbench.hardware.blas import settle, use_threads

SECTIONS: dict[str, tuple[float, Callable[[Log], None]]] = {
    "masks": (10, gpu_checks.streams),
    "models and variants": (40, gpu_checks.every_variant),
    "settings and measurements": (40, gpu_checks.settings),
    "against the CPU": (20, gpu_checks.against_cpu),
    "alone and stacked": (20, gpu_checks.alone_and_stacked),
    "early stopping": (30, gpu_checks.stopping),
    "going on": (15, gpu_checks.going_on),
    "again": (10, gpu_checks.repeats),
    **{f"speed of {work.name}": (45, partial(gpu_speed.speed, work=work)) for work in gpu_speed.WORKS},
    "command line": (90, command_line),
    "speed of TF32": (10, gpu_speed.tf32),
    "speed of a CPU": (10, gpu_speed.on_cpu),
    "speed of torch.compile": (60, gpu_speed.compiled),
}
"""The sections, in order, each with the seconds that it may need and its function."""


def main() -> None:
    """Run the sections that fit into the time budget; exit with code 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, help="the report, Markdown")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", help="sections whose name contains one of these words, with commas between")
    told = parser.parse_args()
    if told.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no CUDA card here; --device cpu tries the script itself")
    settle()
    use_threads(1)
    log = Log(torch.device(told.device), told.minutes)
    origin = _origin(told.device)
    for name, value in origin:
        log.say(f"{name}: {value}")
    for section, (seconds, measure) in SECTIONS.items():
        if told.only and not any(word in section for word in told.only.split(",")):
            continue
        if log.begin(section, seconds):
            with suppress(Exception):  # logged with its traceback; the other sections still run
                log.attempt("the section itself", partial(measure, log))
        if told.out:
            told.out.parent.mkdir(parents=True, exist_ok=True)
            told.out.write_text(log.report(origin) + "\n", encoding="utf-8")
    log.say(f"{log.failed} of {len(log.checks)} checks failed")
    sys.exit(1 if log.failed else 0)


def _origin(device: str) -> list[tuple[str, str]]:
    """Return the card, machine, versions and command that the figures come from."""
    card = "none: a trial of the script on a CPU"
    if device == "cuda":
        known = torch.cuda.get_device_properties(0)
        card = f"{known.name}, {known.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    command = " ".join(["python -m benchmarks.gpu", *sys.argv[1:]])
    return [("card", card), *provenance().items(), ("command", f"`{command}`")]


if __name__ == "__main__":
    main()
