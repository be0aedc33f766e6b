"""Shows one stored run: its settings, how it ended, its scores, its last epochs, and the command that repeats it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.console import Shown
from dropbench.cli.found import found
from dropbench.config.paths import path_setting
from dropbench.config.typed import words_of
from dropbench.config.yaml import as_yaml
from dropbench.report.records.history import read as read_history
from dropbench.values import plain

if TYPE_CHECKING:
    from dropbench.store import Record

_EPOCHS = 3
"""How many of the last epochs are shown."""
_MOST = 8
"""How many columns of a history are shown, because a terminal has room for no more."""


def show_run(run: str, results: Path, conf: Sequence[Path] = (), *, as_json: bool, quiet: bool) -> int:
    """Show one run in full. conf: the user's folders of options. Return the exit code: 1 if its record cannot be read."""
    from dropbench.store import Skipped, read

    folder = found(run, results)
    record = read(folder)
    shown = Shown(quiet, as_json)
    if isinstance(record, Skipped):
        shown.error(f"{record.path}: {record.reason}")
        return 1
    show(record, folder, shown, conf)
    return 0


def show(record: Record, folder: Path, shown: Shown, conf: Sequence[Path] = ()) -> None:
    """Print a run. As JSON, print its record with its folder and the command that repeats it."""
    if shown.quiet and not shown.as_json:
        return
    command = repeat(record, folder, conf)
    if shown.as_json:
        shown.json({**asdict(record), "folder": str(folder), "command": command})
        return
    for line in plain_lines(as_yaml(record.config)):
        shown.out(line)
    shown.out("")
    shown.run(record, folder)
    for line in _last_epochs(folder / "history.csv"):
        shown.out(line)
    for line in _facts(record):
        shown.out(line)
    shown.out("")
    shown.out(f"repeat it: {command}")


def repeat(record: Record, folder: Path, conf: Sequence[Path] = ()) -> str:
    """Return the command that repeats a run, with the user's folders of options, or `--conf DIR` if one must still be named."""
    from dropbench.cli.proposals import data_root
    from dropbench.store import Store

    root = data_root(Store(folder.absolute().parent.parent).plans(), [record.run_id])
    words = ["dropbench", "train", "--from", str(folder), *words_of("--conf", conf)]
    words += [] if root is None else [path_setting("data.root", root)]
    network = record.config["model"].get("target")  # found from the current folder, without a YAML file
    return plain(shlex.join(words)) + (" --conf DIR" if record.sources.keys() - {network} and not conf else "")


def plain_lines(text: str) -> list[str]:
    """Return the lines of a text, with terminal control characters escaped."""
    return [plain(line) for line in text.rstrip("\n").split("\n")]


def _last_epochs(history: Path) -> Sequence[str]:
    table, why = read_history(history)
    if why is not None:
        return [f"no curves: {why}"]
    names = [n for n in table if n == "epoch" or n.startswith(("train_", "val_"))][:_MOST]
    if len(names) < 2:
        return []
    rows = [names, *([_cell(table[n][i]) for n in names] for i in range(len(table["epoch"]))[-_EPOCHS:])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(names))]
    return ["last epochs:", *("  ".join(c.rjust(w) for c, w in zip(map(plain, r), widths, strict=True)) for r in rows)]


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5g}"


def _facts(record: Record) -> list[str]:
    """Return lines on the origin of a run: when it started, its data, code and versions, and what was kept."""
    told = {
        "started": record.started,
        "data": record.data_fingerprint,
        "code of your own": ", ".join(f"{part} ({code})" for part, code in record.sources.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "kept": ", ".join(name for name in (record.weights, record.predictions) if name),
        "continues": record.parent,
    }
    return [plain(f"{name}: {value}") for name, value in told.items() if value]
