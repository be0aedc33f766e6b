"""Identity: which settings are part of a run's id, and which are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from specs_kit import spec_of

from dropbench import identity
from dropbench.config.compose import Composer
from dropbench.settings import ExecuteSpec
from dropbench.spec import NONE, Frozen, RunSpec


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["dropout.rate=.5"], ["dropout.rate=0.50"]),
        (["train.lr=1e-3"], ["train.lr=0.001"]),
        (["train.weight_decay=0"], ["train.weight_decay=0.0"]),
        (["train.lr=0.1", "seed=3"], ["seed=3", "train.lr=0.1"]),
        (["dropout.rates={input: 0.2, hidden.0: 0.1}"], ["dropout.rates={hidden.0: .1, input: .20}"]),
        (["dropout.rates=null"], ["dropout.rates={}"]),
        (["dropout.placement=input"], ["dropout.placement=[input]"]),
        (["dropout.placement=3"], ["dropout.placement=['3']"]),  # numbers name the parts of an nn.Sequential
        (["dropout.rates={3: 0.1}"], ["dropout.rates={'3': 0.1}"]),
        (["model=module", "model.sites=[1,fc]"], ["model=module", "model.sites=['1',fc]"]),
        (
            ["regularizer=[activation_l2]", "regularizer.activation_l2.site=3"],
            ["regularizer=[activation_l2]", "regularizer.activation_l2.site='3'"],
        ),
        (["train.augment={flip: 0.5}"], ["train.augment.flip=0.5"]),
        (["model.widths=[8,8]"], ["model.widths=[8, 8]"]),
        ([], ["model=mlp", "dropout=standard", "seed=0", "data.n_train=null"]),
        # A variant that acts nowhere has no rate, even if a grid sets one.
        (["dropout=none"], ["dropout=none", "dropout.rate=0.3", "dropout.placement=[input]"]),
        ([], ["dropout/schedule=constant"]),
        (["dropout/schedule=early"], ["dropout/schedule=early", "dropout.schedule.until=0.20"]),
        (["dropout/schedule=step"], ["dropout/schedule=step", "dropout.schedule.factors=[.5,1]"]),
        # An arm without noise has no schedule either.
        (["dropout=none"], ["dropout=none", "dropout.rate=0.3", "dropout/schedule=linear_up"]),
        (["dropout.rate=0"], ["dropout.rate=0", "dropout/schedule=late"]),
        # A variant that drops nothing anywhere is `none`; a learned rate, too, stays at 0 if it starts there.
        (["dropout=none"], ["dropout.rate=0"]),
        (["dropout=none"], ["dropout=concrete", "dropout.rate=0", "dropout.placement=[input]"]),
        (["dropout=none"], ["dropout=gaussian", "dropout.rate=0.5", 'dropout.rates={"*": 0, input: 0}']),
        # Metrics are not part of the id, except the one that training monitors.
        ([], ["metric=[loss,accuracy,ece]"]),
        ([], ["metric=[loss]"]),
        # Without noise, the number of passes makes no difference.
        ([], ["eval.mode=deterministic", "eval.passes=7"]),
        (["eval.mode=mc"], ["eval={mode: mc, passes: 30}"]),
        (["eval.mode=mc"], ["eval.mode=mc", "eval.passes=null"]),
    ],
)
def test_spelling_and_order_do_not_matter(c: Composer, one: list[str], other: list[str]) -> None:
    assert spec_of(c, *one).run_id == spec_of(c, *other).run_id


@pytest.mark.parametrize(
    "word",
    [
        "device=cpu",
        "results=/elsewhere",
        "execute.workers=3",
        "execute.threads=2",
        "execute.cohort=1",
        "data.root=/x",
        "data.download=true",
        "train.loggers=[csv]",
        "train.save=best",
        "train.save=last",
        "train.extendable=true",
        "eval.keep=probabilities",
        "eval.keep=null",
    ],
)
def test_where_it_runs_is_not_part_of_it(c: Composer, word: str) -> None:
    assert spec_of(c, word) == spec_of(c)


def test_an_arm_is_a_run_without_its_seed(c: Composer) -> None:
    one, other = spec_of(c, "seed=1"), spec_of(c, "seed=2")
    assert one.arm_id == other.arm_id and one.run_id != other.run_id
    assert len(one.run_id) == 12 and int(one.run_id, 16) >= 0


CHANGES: dict[str, Any] = {
    "placement": ("hidden.0",),
    "rates": {"input": 0.1},
    "options": {"changed": 1},
    "n_train": 500,
    "split_seed": 3,
    "max_norm": 2.0,
    "grad_clip": 2.0,
    "patience": 2,
    "loss": "huber",
    "noise": 2.0,
    "beta2": 0.95,
    "momentum_start": 0.5,
    "momentum_epochs": 10.0,
    "decay_schedule": "flat_cos",
    "updates": 100,
    "optimizer": "sgd",
    "schedule": "cosine",
    "monitor": "val_accuracy",
    "class_weights": "balanced",
    "decay_exempt": ("vectors",),
    "precision": "bf16",
    "source": "a1b2",
    "data_fingerprint": "0123456789ab",
    "step_first": 4,
    "cycles": 4,
    "stop_at": 4,
    "mode": "ensemble",
    "passes": 5,
}
"""A value other than the default, for fields where `changed` would give no valid one."""


def changed(value: Any, name: str) -> Any:
    if name in CHANGES:
        return CHANGES[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "_"
    return value + 1 if isinstance(value, int) else value + 0.001


NOT_HASHED = {(part, "target") for part in ("model", "variants", "data", "regularizers")}
NOT_HASHED |= {(part, "schedule", "target") for part in ("variants", "regularizers")}
NOT_HASHED |= {("regularizers", "strength"), ("regularizers", "none_at")}
"""Fields that are not hashed: import paths of dropbench's own classes, and which option is a strength and when it is off."""


def paths(model: BaseModel, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field in a spec."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, tuple) and value and isinstance(value[0], Frozen):
            (value,) = value
        if isinstance(value, Frozen):
            yield from paths(value, (*before, name))
        else:
            yield (*before, name)


def with_change(model: Any, path: tuple[str, ...]) -> Any:
    name, *rest = path
    value = getattr(model, name)
    if rest and isinstance(value, tuple):  # the arm's one variant
        return model.model_copy(update={name: (with_change(value[0], tuple(rest)),)})
    return model.model_copy(update={name: with_change(value, tuple(rest)) if rest else changed(value, name)})


def test_every_field_is_part_of_the_id(c: Composer) -> None:
    mixup = ("regularizer=[mixup]", "regularizer.mixup.schedule=linear_up")
    plain = spec_of(c, "dropout/schedule=late", "eval.mode=mc", "train.weight_decay=0.1", *mixup)
    found = [p for p in paths(plain) if p not in NOT_HASHED | {("metric",)}]
    assert len(found) > 40
    ids = {path: with_change(plain, path).run_id for path in found}
    assert plain.run_id not in ids.values()
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["dropout/schedule=linear_up"], []),
        (["dropout/schedule=linear_up"], ["dropout/schedule=linear_up", "dropout.schedule.over=0.5"]),
        (["dropout/schedule=linear_up"], ["dropout/schedule=linear_down"]),
        (["dropout.rate=0", "dropout.rates={input: 0.1}", "dropout/schedule=late"], ["dropout.rate=0"]),
        (["dropout.rates={input: 0.1}", "dropout.rate=0"], ["dropout.rate=0"]),
        (["eval.mode=mc"], ["eval.mode=ensemble"]),
        (["eval.mode=mc"], ["eval.mode=mc", "eval.passes=31"]),
        (["eval.mode=mc", "dropout=none"], ["dropout=none"]),
    ],
)
def test_other_runs_have_other_ids(c: Composer, one: list[str], other: list[str]) -> None:
    assert spec_of(c, *one).run_id != spec_of(c, *other).run_id


def test_parts_of_a_spec_that_need_not_be_given(c: Composer) -> None:
    """Check that their defaults are those of conf/."""
    found = spec_of(c)
    tree = found.model_dump(by_alias=True, exclude={"eval": True, "dropout": {"schedule"}, "train": {"step_first"}})
    assert RunSpec.model_validate(tree) == found


def test_of_a_metric_only_the_monitored_ones_computation_is_part_of_the_id(c: Composer) -> None:
    plain = spec_of(c, "metric=[loss,accuracy,ece]")
    assert plain.train.monitor == "val_loss"
    for name, metric in plain.metric.items():
        for field in type(metric).model_fields:
            if field in ("also", "of_task", "range", "direction", "region", "tasks"):
                changes = {
                    "also": {},
                    "of_task": {},
                    "range": (0, 9),
                    "direction": "neither",
                    "region": "7%",
                    "tasks": ("regress",),
                }
                other = metric.model_copy(update={field: changes[field]})
            else:
                other = with_change(metric, (field,))
            changed = plain.model_copy(update={"metric": {**plain.metric, name: other}})
            counts = name == "loss" and field in ("name", "version", "source", "options")
            assert (changed.run_id != plain.run_id) == counts, (name, field)


def test_the_metric_that_is_monitored_is_part_of_the_id(c: Composer) -> None:
    assert spec_of(c).run_id != spec_of(c, "train.monitor=val_accuracy").run_id


def test_data_and_sources_are_part_of_the_run_and_not_of_the_setting(c: Composer) -> None:
    plain = spec_of(c)
    data = plain.model_copy(update={"data_fingerprint": "0123456789ab"})
    own = plain.model_copy(update={"model": plain.model.model_copy(update={"target": "mine.Net", "source": "a"})})
    edited = own.model_copy(update={"model": own.model.model_copy(update={"source": "b"})})
    assert data.setting_id == plain.setting_id and own.setting_id == edited.setting_id != plain.setting_id
    assert (
        len({s.run_id for s in (plain, data, own, edited)}) == len({s.arm_id for s in (plain, data, own, edited)}) == 4
    )
    assert (plain.sources, edited.sources) == ({}, {"mine.Net": "b"})
    assert "source" not in edited.as_dict()["model"] and "data_fingerprint" not in data.as_dict()


def test_a_setting_is_without_its_seed(c: Composer) -> None:
    one, other = spec_of(c, "seed=1"), spec_of(c, "seed=2")
    assert one.setting_id == other.setting_id


OFF: dict[str, Any] = {
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "max_norm": None,
    "grad_clip": None,
    "patience": None,
}


@given(
    train=st.fixed_dictionaries({k: st.sampled_from([v, 0.5]) for k, v in OFF.items()}),
    augment=st.fixed_dictionaries({k: st.sampled_from([0, 0.5]) for k in ("crop", "flip", "rotation", "erase")}),
    null=st.sampled_from(["later", "another"]),
)
def test_what_is_off_leaves_no_trace(train: dict[str, Any], augment: dict[str, float], null: str) -> None:
    """Check that a regularizer that dropbench gets later does not change existing ids."""
    config: dict[str, Any] = {
        "model": {"name": "m", "_target_": "dropbench.m"},
        "data": {"name": "d", "_target_": "dropbench.d"},
        "dropout": {"name": "none", "_target_": "dropbench.n", "rate": 0.0},
        "train": {**train, "augment": augment, "monitor": "val_loss"},
        "metric": {"loss": {"name": "loss", "_target_": "dropbench.l"}},
        "seed": 0,
    }
    bare = {k: v for k, v in train.items() if v != OFF[k]}
    bare |= {"augment": on} if (on := {k: v for k, v in augment.items() if v}) else {}
    other = config | {"train": {**bare, "monitor": "val_loss", null: None}}
    assert identity.ids(config, None, {}) == identity.ids(other, None, {})
    told = dict(identity.regularizers(config))
    assert told == dict(identity.regularizers(other)) and set(told.values()) <= {0.5}
    if told:
        none = config | {"train": {"monitor": "val_loss"}}
        assert identity.ids(config, None, {})["run_id"] != identity.ids(none, None, {})["run_id"]


def test_a_schedule_of_the_decay_is_part_of_an_id_where_there_is_decay(c: Composer) -> None:
    def run_id(*words: str) -> str:
        return spec_of(c, *words).run_id

    decay, schedule = "train.weight_decay=0.1", "train.decay_schedule=flat_cos"
    assert run_id(schedule) == run_id()
    assert run_id(decay) == run_id(decay, "train.decay_schedule=constant") != run_id(decay, schedule)


@pytest.mark.parametrize(
    ("words", "silent"),
    [
        (["dropout.rate=0", "dropout.rates={input: 0.1}"], False),
        (["dropout.rate=0.5", "dropout.rates={input: 0}"], False),
        (["dropout.rate=0.5", 'dropout.rates={"*": 0}'], True),
        (["dropout.rate=0", "dropout.rates={input: 0}"], True),
    ],
)
def test_a_rate_of_zero_everywhere_is_the_variant_none(c: Composer, words: list[str], silent: bool) -> None:
    assert (spec_of(c, *words).dropout == NONE) is silent
    assert spec_of(c, "dropout=none").dropout == NONE


def test_a_spec_is_frozen_and_plain(c: Composer) -> None:
    found = spec_of(c)
    with pytest.raises(ValidationError):
        found.seed = 3  # type: ignore[misc]
    tree = found.as_dict()
    assert tree["model"]["widths"] == [128, 128] and "options" not in tree["model"]
    assert "root" not in tree["data"] and "device" not in tree and "results" not in tree


def test_the_conf_folder_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dropbench.config import options

    beside = options.conf_dir()
    assert beside == Path(options.__file__).parents[2] / "conf"
    package = tmp_path / "dropbench"
    (package / "conf").mkdir(parents=True)
    (package / "conf" / "config.yaml").touch()
    monkeypatch.setattr(options, "_PACKAGE", package)
    assert options.conf_dir() == package / "conf"


@pytest.mark.parametrize(
    ("typed", "seconds", "epochs"),
    [
        ("30s", 30, None),
        ("1.5 s", 1.5, None),
        ("2min", 120, None),
        ("1h", 3600, None),
        (5, None, 5),
        ("5", None, 5),
        ("off", None, None),
        (False, None, None),
        (None, None, None),
    ],
)
def test_how_often_something_is_done(typed: Any, seconds: float | None, epochs: int | None) -> None:
    spec = ExecuteSpec.model_validate({"workers": 1, "threads": 1, "cohort": "auto", "checkpoint": typed})
    assert (spec.checkpoint.seconds, spec.checkpoint.epochs) == (seconds, epochs)
    assert bool(spec.checkpoint) is (seconds is not None or epochs is not None)
    again = ExecuteSpec.model_validate(spec.model_dump(mode="json"))
    assert again == spec


@pytest.mark.parametrize("typed", ["0s", "soon", "-1s", "0", "1e9", "3 epochs", True, [1], "30ss", "9999999999s"])
def test_what_is_no_interval_is_refused(typed: Any) -> None:
    with pytest.raises(ValidationError, match="a time such as 30s"):
        ExecuteSpec.model_validate({"workers": 1, "threads": 1, "cohort": "auto", "checkpoint": typed})


@pytest.mark.parametrize(
    ("path", "called"),
    [("a/my.csv", "my"), ("a/2024.03.csv.gz", "2024.03"), ("x.parquet", "x"), ("pictures/", "pictures"), ("my", "my")],
)
def test_data_are_called_as_their_file_is_wherever_it_lies(path: str, called: str) -> None:
    assert identity.data_name({"name": "csv", "path": path}) == called


def test_a_run_under_another_seed_is_the_run_that_has_it(c: Composer) -> None:
    """Check its ids, of which the arm's are hashed only once, and that runs that differ in more than the seed are not kin."""
    spec = spec_of(c, "seed=3", "dropout.rate=0.3")
    other = spec.under(5)
    fresh = spec_of(c, "seed=5", "dropout.rate=0.3").model_copy(update={"model": spec.model.model_copy()})
    assert other == fresh and other.run_id == fresh.run_id != spec.run_id and other.arm_id == spec.arm_id
    assert other.kin == spec.kin and spec.under(3) == spec
    changed = other.model_copy(update={"data_fingerprint": "abc"})
    assert changed.kin != spec.kin and changed.arm_id != spec.arm_id
    assert changed.run_id == identity.ids(changed.as_dict(), "abc", {})["run_id"]
