"""Records and plans of schema 1 are read as those of schema 2, under the ids that the same runs have now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from specs_kit import spec_of
from stored import make

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.spec import MetricSpec, RunSpec
from dropbench.store import Record, Skipped, Store, StoredPlan, migrate, read
from dropbench.store.reading import is_old

LATER = ("setting_id", "task", "measures", "target_unit", "variants", "regularizers", "sources", "products")
LATER += ("predictions", "weights", "parent")


def spec(c: Composer, *words: str) -> RunSpec:
    return spec_of(c, *words).model_copy(update={"data_fingerprint": "4df5aad9e191"})


def old_tree(spec: RunSpec, run_id: str, **fields: Any) -> dict[str, Any]:
    """What schema 1 stored of a run."""
    record = make(config=spec.as_dict(), seed=spec.seed, data_fingerprint=spec.data_fingerprint)
    tree = {k: v for k, v in json.loads(json.dumps(vars(record), default=vars)).items() if k not in LATER}
    return {**tree, "run_id": run_id, "arm_id": "arm", **fields, "schema": 1}


def put(root: Path, tree: dict[str, Any], kind: str = "runs") -> Path:
    folder = root / kind / str(tree["run_id"])
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(tree, indent=1) + "\n")
    (folder / "history.csv").write_text("epoch\n1\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["seed=7", "train.weight_decay=0.1", "train.augment.flip=0.5", "model=cnn"],
        ["eval.mode=mc", "metric=[loss,accuracy,ece]", "dropout/schedule=late", "dropout.rates={input: 0.2}"],
        ["dropout=none", "train.monitor=val_accuracy"],
    ],
)
def test_a_run_of_schema_1_is_found_under_its_new_id(c: Composer, tmp_path: Path, words: list[str]) -> None:
    asked = spec(c, *words)
    folder = put(tmp_path, old_tree(asked, "0123456789ab"))
    store = Store(tmp_path)
    assert store.is_done(asked.run_id)
    record = store.find(asked.run_id)
    assert isinstance(record, Record)
    assert (record.run_id, record.arm_id, record.setting_id) == (asked.run_id, asked.arm_id, asked.setting_id)
    assert store.folder(asked.run_id) == folder and store.history(asked.run_id) == folder / "history.csv"
    assert store.load().records == [record] and store.load().folders == {asked.run_id: folder}
    assert not Store(tmp_path).is_done(spec(c, *words, "train.lr=0.5").run_id)


def test_what_is_known_of_it_now_follows_from_its_configuration(c: Composer, tmp_path: Path) -> None:
    asked = spec(c, "model=autoencoder", "train.weight_decay=0.1", "metric=[loss]", "train.monitor=val_loss")
    record = read(put(tmp_path, old_tree(asked, "a", metrics={"test_loss": 1.0, "gap_loss": 0.5}, rates={"code": 0.5})))
    assert isinstance(record, Record)
    assert (record.task, record.products, record.sources) == ("reconstruct", None, {})
    assert [(r.name, r.strength) for r in record.regularizers] == [("weight_decay", 0.1)]
    assert [(v.name, v.rates) for v in record.variants] == [("standard", {"code": 0.5})]
    assert list(record.measures) == ["loss"] and record.measures["loss"].direction == "lower"


def test_a_users_part_keeps_working_with_a_source_that_nobody_knows(c: Composer, tmp_path: Path) -> None:
    asked = spec(c)
    own = asked.model_copy(update={"model": asked.model.model_copy(update={"target": "mine.Net", "name": "net"})})
    record = read(put(tmp_path, old_tree(own, "a")))
    assert isinstance(record, Record)
    assert record.sources == {"mine.Net": "unknown"} and record.task is None
    known = own.model_copy(update={"model": own.model.model_copy(update={"source": "unknown"})})
    assert record.run_id == known.run_id


@given(metrics=st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_migration_keeps_every_number(metrics: dict[str, float]) -> None:
    tree = json.loads(json.dumps(vars(make()), default=vars)) | {"metrics": metrics, "run_id": "a", "schema": 1}
    before = json.dumps(tree)
    now = migrate.record(tree)
    assert json.dumps(tree) == before, "it is a pure function"
    changed = {"run_id", "arm_id", "setting_id", "measures", "schema", "task", "variants", "products"}
    assert {k: v for k, v in now.items() if k not in changed} == {k: v for k, v in tree.items() if k not in changed}


def test_what_cannot_be_migrated_says_how_to_make_it_anew(c: Composer, tmp_path: Path) -> None:
    tree = old_tree(spec(c), "a")
    del tree["config"]["train"]
    skipped = read(put(tmp_path, tree))
    assert isinstance(skipped, Skipped)
    assert (
        "its configuration has no train" in skipped.reason
        and "config.yaml, so it can be trained again" in skipped.reason
    )


def test_two_old_runs_that_differ_in_what_they_measured_are_one(c: Composer, tmp_path: Path) -> None:
    few, more = spec(c), spec(c, "metric=[loss,accuracy,ece]")
    put(tmp_path, old_tree(few, "a", metrics={"test_loss": 1.0}))
    put(tmp_path, old_tree(more, "b", metrics={"test_loss": 1.0, "test_ece": 0.1}))
    put(tmp_path, old_tree(few, "c", metrics={"test_loss": 1.0}))
    (record,) = Store(tmp_path).load().records
    assert record == Store(tmp_path).find(few.run_id) and "test_ece" in record.metrics


def test_a_failure_of_schema_1_gives_way_to_the_run_that_finished_since(c: Composer, tmp_path: Path) -> None:
    asked = spec(c)
    put(tmp_path, old_tree(asked, "a", status="failed", metrics={}, data_fingerprint=None), "failed")
    store = Store(tmp_path)
    assert [r.status for r in store.load().records] == ["failed"]
    store.write(make(config=asked.as_dict(), data_fingerprint=asked.data_fingerprint), [], "")
    assert [r.status for r in store.load().records] == ["completed"]


def test_plans_of_schema_1_name_the_ids_of_now(c: Composer, tmp_path: Path) -> None:
    specs = {"old-none": spec(c, "dropout=none"), "old-some": spec(c)}
    for old, asked in specs.items():
        put(tmp_path, old_tree(asked, old))
    tree = {"plan_id": "p", "study": "three_arm", "question": None, "baseline": "none", "overrides": []}
    tree |= {"created": "2025-01-01", "arms": {"none": ["old-none"], "some": ["old-some", "gone"]}, "schema": 1}
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "p.json").write_text(json.dumps(tree | {"runs": ["old-none", "old-some", "gone"]}))
    (plan,) = Store(tmp_path).plans()
    none, some = (s.run_id for s in specs.values())
    assert plan.arms == {"none": [none], "some": [some, "gone"]} and plan.runs == [none, some, "gone"]
    # The same command stored its plan again since: it is one plan.
    again = StoredPlan(**(vars(plan) | {"created": "2026-01-01"}))
    Store(tmp_path).write_plan(again)
    assert Store(tmp_path).plans() == [again]


def test_the_last_bytes_tell_the_schema(c: Composer, tmp_path: Path) -> None:
    asked = spec(c)
    assert is_old(put(tmp_path, old_tree(asked, "a")))
    assert not is_old(Store(tmp_path).write(make(), [], ""))
    assert not is_old(tmp_path / "absent")
    (tmp_path / "record.json").write_text("{}")
    assert not is_old(tmp_path)


def test_the_declarations_of_old_metrics_are_those_of_conf() -> None:
    files = options("metric")
    assert set(migrate.METRICS) <= set(files)
    for name, told in migrate.METRICS.items():
        node: Any = OmegaConf.to_container(OmegaConf.load(files[name]))
        fields = {k: v for k, v in node[name].items() if k in {"_target_", *MetricSpec.model_fields} - {"tasks"}}
        # What a metric can be taken for is no part of how its numbers are read.
        declared = {"name": name, "_target_": fields["_target_"], "version": 1, **told}
        assert MetricSpec.model_validate(fields) == MetricSpec.model_validate(declared), name
