"""Creates realistic results folders of very many runs: the runs of a plan, each with record, history and predictions.

    python -m benchmarks.large_folder FOLDER --tables 1 --arms 1000 --seeds 100

Only one run per table is trained. The other runs copy from it what training does not change, and get predictions of their own,
drawn by arm and seed, from which their scores are computed. The folders are therefore consistent for a reader, and statistics
find realistic differences. Unlike in training, files are not synced, because for 10^5 runs that would take longer than the
rest.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropbench.config.compose import composer
from dropbench.config.yaml import as_yaml
from dropbench.planning.plan import Plan, make
from dropbench.spec import RunSpec
from dropbench.store import PLANS, RUNS, Record, Store, derived
from dropbench.store.predictions import Predictions, dumped, read_predictions

EPOCHS, CLASSES = 5, 10
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SCORES = ("test_loss", "test_accuracy", "val_loss", "val_accuracy", "gap_loss", "gap_accuracy")
_OWN = ("run_id", "seed", *_SCORES, "started", "seconds")
"""The fields that differ between the runs of an arm; the template of the arm's record has a placeholder for each."""


def overrides(tables: int, arms: int, seeds: int) -> list[str]:
    """Return the grid as typed: tables differ in `data.n_train`, arms in the rate of dropout and in weight decay."""
    rates = next(n for n in (50, 20, 10, 5, 2, 1) if arms % n == 0 and (n < 50 or arms >= 500))
    decays = arms // rates
    sizes = ",".join(str(100 * (i + 1)) for i in range(tables))
    return [
        "data=digits",
        f"train.epochs={EPOCHS}",
        f"data.n_train={sizes}",
        f"dropout.rate={','.join(str(i / 100) for i in range(rates))}",
        f"train.weight_decay={','.join(str(i / 1000) for i in range(decays))}",
        f"seed=range(0,{seeds})",
    ]


def planned(typed: Sequence[str]) -> Plan:
    """Return the plan of these overrides, without a limit on the number of runs."""
    with composer(()) as c:
        return make(typed, c, most=10**9)


def write(plan: Plan, folder: Path) -> None:
    """Write the runs of a plan, and the plan, into a results folder."""
    templates = {size: _trained(folder.parent / f"{folder.name}_trained", size) for size in _sizes(plan)}
    store = Store(folder)
    store.check()
    for place, (spec, files) in enumerate(_files(plan, templates)):
        run = folder / RUNS / spec.run_id
        run.mkdir()
        for name, content in files.items():
            (run / name).write_bytes(content)
        if place % 10_000 == 9_999:
            print(f"{place + 1:,} runs written", flush=True)
    _write_plan(plan, store)


def _write_plan(plan: Plan, store: Store) -> None:
    from dropbench.cli.stages import Seen, as_stored
    from dropbench.planning.continuing import Course

    began = _BEGAN.isoformat(timespec="seconds")
    (store.root / PLANS).mkdir(exist_ok=True)
    store.write_plan(as_stored(Course(plan), Seen(store, force=False), began, over=True))


def _sizes(plan: Plan) -> list[int]:
    return list(dict.fromkeys(s.data.n_train or 0 for s in plan.specs))


def _trained(folder: Path, size: int) -> tuple[Record, Predictions]:
    """Train a run with dropout on this many examples; return its record and its test predictions."""
    from dropbench.cli.app import app

    words = ["train", "data=digits", f"data.n_train={size}", f"train.epochs={EPOCHS}", f"results={folder / str(size)}"]
    with redirect_stdout(StringIO()):
        app([*words, "--quiet"], standalone_mode=False)
    store = Store(folder / str(size))
    (record,) = store.load().records
    said = read_predictions(store.folder(record.run_id))
    assert said is not None
    return record, said


def _files(plan: Plan, templates: dict[int, tuple[Record, Predictions]]) -> Iterator[tuple[RunSpec, dict[str, bytes]]]:
    """Yield each run with the contents of its files; runs of an arm need not be adjacent."""
    arms: dict[str, tuple[str, str, NDArray[np.float64]]] = {}
    for place, spec in enumerate(plan.specs):
        record, said = templates[spec.data.n_train or 0]
        if spec.arm_id not in arms:
            effect = np.random.default_rng(len(arms)).normal(0, 0.1, CLASSES)
            arms[spec.arm_id] = (*_texts(spec, record), effect)
        text, config, effect = arms[spec.arm_id]
        content, accuracy, loss = _said(spec, said, effect)
        values = {
            "run_id": json.dumps(spec.run_id),
            "seed": str(spec.seed),
            "test_loss": repr(loss),
            "test_accuracy": repr(accuracy),
            "val_loss": repr(val_loss := loss * 1.01),
            "val_accuracy": repr(val_accuracy := min(1.0, accuracy * 1.01)),
            "gap_loss": repr(record.metrics["train_loss"] - val_loss),
            "gap_accuracy": repr(record.metrics["train_accuracy"] - val_accuracy),
            "started": json.dumps((_BEGAN + timedelta(seconds=place)).isoformat(timespec="seconds")),
            "seconds": repr(0.2 + 1e-6 * place),
        }
        own = text
        for name, value in values.items():
            own = own.replace(f'"@{name}@"', value)
        yield (
            spec,
            {
                "record.json": own.encode() + b"\n",
                "config.yaml": config.replace("'@seed@'", str(spec.seed)).encode(),
                "history.csv": _history(spec.seed, loss),
                "test.npz": content,
            },
        )


def _texts(spec: RunSpec, record: Record) -> tuple[str, str]:
    """Return the record and the configuration of an arm as text, with a placeholder for each field of `_OWN`."""
    from dropbench.store.reading import dump

    tree: dict[str, Any] = json.loads(dump(record))
    mark = {name: f"@{name}@" for name in _OWN}
    rates = dict.fromkeys(record.rates, spec.dropout.rate) if spec.dropout.rate else {}
    config = spec.as_dict() | {"seed": mark["seed"]}
    scores = {name: value for name, value in tree["metrics"].items() if name.startswith("train_")}
    scores |= {name: mark[name] for name in _SCORES}
    return json.dumps(
        tree
        | {
            "run_id": mark["run_id"],
            "arm_id": spec.arm_id,
            "setting_id": spec.setting_id,
            "config": config,
            "seed": mark["seed"],
            "metrics": scores,
            "chosen_epoch": EPOCHS,
            "epochs_run": EPOCHS,
            "variants": derived.variants(config, rates),
            "regularizers": derived.regularizers(config),
            "rates": rates,
            "seconds": mark["seconds"],
            "started": mark["started"],
        },
        indent=1,
    ), as_yaml(config)


def _said(spec: RunSpec, template: Predictions, effect: NDArray[np.float64]) -> tuple[bytes, float, float]:
    """Return a run's predictions as a file, its accuracy and its loss; they depend on the examples, the arm and the seed."""
    rows, classes = _split(template.total, len(template.rows), spec.seed)
    random = np.random.default_rng([spec.seed, int(spec.arm_id, 16)])
    hard = np.random.default_rng(0).normal(2.5, 1.5, template.total)[rows]
    logits = random.normal(0, 0.5, (len(rows), CLASSES)) + effect
    logits[np.arange(len(rows)), classes] += hard
    logs = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float16)
    right = logs.argmax(1) == classes
    content = dumped(Predictions(template.total, rows, right=right, log_probabilities=logs, classes=classes))
    return content, float(right.mean()), float(-logs[np.arange(len(rows)), classes].astype(np.float64).mean())


@cache
def _split(total: int, tested: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that a seed tests, and the true class of each."""
    rows = np.sort(np.random.default_rng(seed).permutation(total)[:tested])
    return rows, np.random.default_rng(1).integers(0, CLASSES, total)[rows]


def _history(seed: int, loss: float) -> bytes:
    """Return a history file in which the loss falls to its final value."""
    lines = ["epoch,updates,lr,train_loss,train_accuracy,val_loss,val_accuracy,grad_norm,rate/hidden.0,seconds"]
    for epoch in range(1, EPOCHS + 1):
        now = 1.01 * loss + math.exp(-epoch) * (1 - epoch / EPOCHS)
        numbers = (epoch, 18 * epoch, 0.001, now - 0.01 * (seed % 7), 0.9 + 0.01 * epoch, now, 0.9, 1.5, 0.5, 0.04)
        lines.append(",".join(map(repr, numbers)))
    return "\n".join(lines).encode() + b"\n"


def main() -> None:
    """Create one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, usual in (("tables", 1), ("arms", 100), ("seeds", 100)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    typed = overrides(given.tables, given.arms, given.seeds)
    began = time.perf_counter()
    plan = planned(typed)
    print(
        f"planned {len(plan.specs):,} runs in {time.perf_counter() - began:.1f} s: {' '.join(typed)[:200]}", flush=True
    )
    began = time.perf_counter()
    write(plan, given.folder)
    print(f"written in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
