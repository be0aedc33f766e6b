"""A record that was edited, cut or written by faulty code is not believed: each thing that cannot be, with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from stored import make

from dropbench import identity
from dropbench.store import Measure, Record, Skipped, Store, read
from dropbench.store.contradictions import contradiction

ACCURACY = Measure("higher", (0.0, 1.0), "percent", "0.2pp")
OWN = {"accuracy": {"name": "accuracy", "_target_": "dropbench.metrics.accuracy.accuracy", "version": 1}}


def good(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "metrics": {"train_accuracy": 0.75, "val_accuracy": 0.5, "gap_accuracy": 0.25, "test_accuracy": 0.5},
        "measures": {"accuracy": vars(ACCURACY)},
        "config": {"metric": OWN, "train": {"monitor": "val_loss", "epochs": 4}},
    }
    return make(**(values | changes))


def edited(root: Path, *edits: tuple[tuple[str, ...], Any]) -> Record | Skipped:
    """A stored record with values changed in its file; its ids follow, as whoever edits it may see to."""
    folder = Store(root).write(good(), [], "")
    tree = json.loads((folder / "record.json").read_text())
    for keys, value in edits:
        part = tree
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
    tree |= identity.ids(tree["config"], tree["data_fingerprint"], tree["sources"])
    (folder / "record.json").write_text(json.dumps(tree))
    return read(folder.rename(folder.with_name(tree["run_id"])))


def test_what_is_stored_agrees(tmp_path: Path) -> None:
    assert isinstance(edited(tmp_path), Record)
    assert contradiction(good()) is None


METRICS, CONFIG = "metrics", "config"
CASES: Mapping[str, tuple[str, tuple[tuple[tuple[str, ...], Any], ...]]] = {
    "above its range": ("test_accuracy is 1.14, and its range is 0 to 1", (((METRICS, "test_accuracy"), 1.14),)),
    "below its range": ("test_accuracy is -0.1", (((METRICS, "test_accuracy"), -0.1),)),
    "infinite": ("test_accuracy is inf", (((METRICS, "test_accuracy"), "Infinity"),)),
    "no number": ("completed and its test_accuracy is nan", (((METRICS, "test_accuracy"), "NaN"),)),
    "range edited too": (
        "test_accuracy is 1.14",
        (((METRICS, "test_accuracy"), 1.14), (("measures", "accuracy", "range"), [0, 2])),
    ),
    "and its unit": (
        "declares accuracy as higher and in no unit, which is wrong",
        ((("measures", "accuracy", "unit"), ""), (("measures", "accuracy", "region"), "0.01")),
    ),
    "direction": ("accuracy as lower", ((("measures", "accuracy", "direction"), "lower"),)),
    "gap": ("gap_accuracy is 0.3, and training minus validation is 0.25", (((METRICS, "gap_accuracy"), 0.3),)),
    "region": ("region of equivalence", ((("measures", "accuracy", "region"), "little"),)),
    "empty range": ("the range of its accuracy is empty", ((("measures", "accuracy", "range"), [1, 0]),)),
    "a word": ("metrics.test_accuracy is not a number", (((METRICS, "test_accuracy"), "high"),)),
    "true": ("metrics.test_accuracy is not a number", (((METRICS, "test_accuracy"), True),)),
    "a number as text": ("epochs_run is not a number", ((("epochs_run",), "4"),)),
    "half an epoch": ("epochs_run is not a number", ((("epochs_run",), 3.5),)),
    "seed": ("its seed -1", ((("seed",), -1), ((CONFIG, "seed"), -1))),
    "large seed": ("its seed 9223372036854775808", ((("seed",), 2**63), ((CONFIG, "seed"), 2**63))),
    "seed of text": ("its seed", (((CONFIG, "seed"), 0.0),)),
    "chosen epoch": ("its chosen epoch is 5 of 4", ((("chosen_epoch",), 5),)),
    "epoch 0": ("its chosen epoch is 0 of 4", ((("chosen_epoch",), 0),)),
    "none chosen": ("has no chosen epoch", ((("chosen_epoch",), None),)),
    "too many epochs": ("ran 5 epochs and its configuration says 4", ((("epochs_run",), 5),)),
    "no examples": ("one of its parts has no examples", ((("n", "test"), 0),)),
    "fewer than none": ("its test is -5", ((("n", "test"), -5),)),
    "negative time": ("took -1 seconds", ((("seconds",), -1),)),
    "endless": ("took inf seconds", ((("seconds",), "Infinity"),)),
    "no time": ("took nan seconds", ((("seconds",), "NaN"),)),
    "memory": ("took -1 MB", ((("peak_memory_mb",), -1),)),
    "threads": ("its threads is 0", ((("threads",), 0),)),
    "cohort": ("its cohort_size is 0", ((("cohort_size",), 0),)),
    "parameters": ("its parameters is -7", ((("parameters",), -7),)),
    "started": ("its start time cannot be read", ((("started",), "yesterday"),)),
    "rate": ("its rate at hidden.0 is 1", ((("rates", "hidden.0"), 1.0),)),
    "rate beyond": (
        "hidden.0 is 0.75, and the highest rate in its configuration is 0.5",
        (
            (("rates", "hidden.0"), 0.75),
            (("variants",), [{"name": "standard", "version": 1, "rates": {"hidden.0": 0.75}}]),
        ),
    ),
    "learned": ("its learned rate at x is 1.5", ((("learned_rates",), {"x": 1.5}),)),
    "called none": (
        "its variant is none and it has a rate above 0",
        (
            ((CONFIG, "dropout", "name"), "none"),
            (("variants",), [{"name": "none", "version": 1, "rates": {"hidden.0": 0.1}}]),
        ),
    ),
    "variants": ("its variants are not those", ((("variants",), [{"name": "none", "version": 1, "rates": {}}]),)),
    "regularizers": ("its regularizers are not", ((("regularizers",), [{"name": "weight_decay", "strength": 1.0}]),)),
    "config rate": ("a rate in its configuration", (((CONFIG, "dropout", "rate"), 1.5),)),
    "config rates": ("its configuration", (((CONFIG, "dropout", "rates"), [0.5]),)),
    "placement": ("placement", (((CONFIG, "dropout", "placement"), [3]),)),
    "status": ("status", ((("status",), "fine"),)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_skipped_with_its_reason(tmp_path: Path, case: str) -> None:
    reason, edits = CASES[case]
    found = edited(tmp_path, *edits)
    assert isinstance(found, Skipped) and reason in found.reason, found


TWO = [{"name": "locked", "rate": 0.4, "rates": {}}, {"name": "standard", "rate": 0.2, "rates": {"hidden.0": 0.3}}]


def test_of_several_variants_each_has_its_own_rates(tmp_path: Path) -> None:
    def found(**rates: float) -> str | None:
        config = {**good().config, "dropout": TWO}
        return contradiction(good(config=config, rates={f"hidden.0/{name}": rate for name, rate in rates.items()}))

    told = good(config={**good().config, "dropout": TWO})
    assert [(v.name, v.rates) for v in told.variants] == [
        ("locked", {"hidden.0": 0.1}),
        ("standard", {"hidden.0": 0.1}),
    ]
    assert isinstance(read(Store(tmp_path).write(told, [], "")), Record)
    assert found(locked=0.4, standard=0.3) is None and found(locked=0.4) is None
    assert (
        found(locked=0.4, standard=0.35)
        == "its rate at hidden.0 is 0.35, and the highest rate in its configuration is 0.3"
    )
    assert found(locked=0.4, embedding=0.1) == "its rate at hidden.0/embedding belongs to none of its variants"
    twice = {**good().config, "dropout": [TWO[0], TWO[0]]}
    assert "one variant twice" in str(contradiction(good(config=twice)))


def test_a_task_that_its_model_does_not_have() -> None:
    of_a_model = {**good().config, "model": {"name": "lm", "_target_": "dropbench.models.lm.LanguageModel"}}
    assert contradiction(good(config=of_a_model, task="predict_next")) is None
    assert contradiction(good(config=of_a_model)) == "its task is classify, and the task of its model is predict_next"


def test_a_metric_of_a_user_has_the_range_that_its_record_declares() -> None:
    def found(value: float, **declared: Any) -> str | None:
        measures = {"mine": vars(Measure(**declared))}
        return contradiction(
            good(metrics={"test_mine": value}, measures=measures, config={"metric": {"mine": {"name": "mine"}}})
        )

    assert found(7.0) is None and found(float("inf")) is None and found(float("nan")) is None
    assert found(7.0, range=(None, 5.0)) == "its test_mine is 7, and it cannot be above 5.0"
    assert found(-1.0, range=(0.0, None)) == "its test_mine is -1, and it cannot be below 0.0"
    assert found(1.14, unit="percent", region="0.2pp") is not None


def test_rounding_is_no_contradiction() -> None:
    assert contradiction(good(metrics={"test_accuracy": 1.0000001})) is None


def test_what_did_not_complete_has_nothing_chosen() -> None:
    for status in ("diverged", "failed"):
        assert (
            contradiction(good(status=status, metrics={}, measures={}, chosen_epoch=None, n={}, epochs_run=0)) is None
        )


@pytest.mark.parametrize(
    "change", [lambda m: m | {"test_accuracy": 1.14}, lambda m: m | {"test_accuracy": float("nan")}]
)
def test_it_is_not_written_either(tmp_path: Path, change: Callable[[dict[str, float]], dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="test_accuracy"):
        Store(tmp_path).write(good(metrics=change(good().metrics)), [], "")
    assert not (tmp_path / "runs").exists()
