"""Labels are short, unambiguous and stable; what cannot be compared is in another table."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench.identity import HOST
from dropbench.report.records.filters import parse, select
from dropbench.report.records.frame import rows_of, to_frame
from dropbench.report.tables.arms import find, legend, name_arms, setting
from dropbench.report.tables.titles import comparisons
from dropbench.values import order, same, spans, written

STANDARD: dict[str, Any] = {"dropout": "standard", "dropout.rate": 0.5}


def labels(records: list[Any], name: str | None = None) -> list[str]:
    return [a.label for a in name_arms(to_frame(records).assign(name=name))]


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "none"),
        ({"dropout.rate": 0.3}, "none"),
        (STANDARD | {"dropout.rate": 0.25}, "standard 0.25"),
        (STANDARD | {"dropout.rates": {"input": 0.2, "*": 0.5}}, "standard {input: 0.2, *: 0.5}"),
        (STANDARD | {"dropout.rates": {"input": 0.2}}, "standard 0.5 {input: 0.2}"),
        (STANDARD | {"dropout.placement": ["hidden.*", "-head"]}, "standard 0.5 at [hidden.*,-head]"),
        (STANDARD | {"dropout.schedule": {"name": "constant"}}, "standard 0.5"),
        (STANDARD | {"dropout.schedule": {"name": "early", "until": 0.2}}, "standard 0.5 early"),
    ],
)
def test_settings(fake: Any, changes: dict[str, Any], label: str) -> None:
    assert setting(rows_of(to_frame([fake(0, changes=changes)]))[0]) == label


def test_labels_name_other_regularizers_only_where_they_vary_and_are_on(fake: Any) -> None:
    decayed = {"train.weight_decay": 0.01}
    records = [fake(s, changes=c) for s in (0, 1) for c in ({}, STANDARD, decayed, STANDARD | decayed)]
    decay = "train.weight_decay=0.01"
    assert labels(records) == ["none", f"none {decay}", "standard 0.5", f"standard 0.5 {decay}"]
    assert labels([r for r in records if r.config["train"]["weight_decay"]]) == ["none", "standard 0.5"]
    flip = {"train.augment.flip": 0.5, "train.max_norm": 3.0}
    assert labels([fake(0), fake(0, changes=flip)]) == ["none", "none train.max_norm=3 train.augment.flip=0.5"]


def test_labels_tell_schedules_apart_by_their_options_only_where_those_vary(fake: Any) -> None:
    def scheduled(name: str, **options: float) -> Any:
        return fake(0, changes=STANDARD | {"dropout.schedule": {"name": name, **options}})

    records = [scheduled("constant"), scheduled("late", start=0.2), scheduled("early", until=0.2)]
    assert labels([fake(0), *records]) == ["none", "standard 0.5", "standard 0.5 early", "standard 0.5 late"]
    assert labels([*records, scheduled("early", until=0.5)]) == [
        "standard 0.5",
        "standard 0.5 early dropout.schedule.until=0.2",
        "standard 0.5 early dropout.schedule.until=0.5",
        "standard 0.5 late",
    ]
    (early,) = select(to_frame(records), parse(["dropout/schedule=early"]))["run_id"]
    assert early == records[2].run_id


def test_labels_are_ordered_by_number_with_none_first(fake: Any) -> None:
    rates = [0.5, 0.25, 0.05, 0.1]
    records = [fake(0, changes=STANDARD | {"dropout.rate": r}) for r in rates] + [fake(0)]
    assert labels(records) == ["none", "standard 0.05", "standard 0.1", "standard 0.25", "standard 0.5"]


def test_labels_that_would_be_the_same_are_told_apart(fake: Any) -> None:
    assert labels([fake(0), fake(0, changes={"dropout.version": 2})]) == [
        "none dropout.version=1",
        "none dropout.version=2",
    ]
    alike = labels([fake(0, arm_id="a", run_id="1"), fake(0, arm_id="b", run_id="2")])
    assert alike == ["none #a", "none #b"]
    two_targets = [fake(0, changes=STANDARD), fake(0, changes=STANDARD | {"dropout.rate": 0.3})]
    assert labels(two_targets, name="target") == ["target: standard 0.5", "target: standard 0.3"]


def test_what_a_baseline_may_mean(fake: Any) -> None:
    decayed = [{"train.weight_decay": d} for d in (0.1, 0.2)]
    arms = name_arms(to_frame([fake(0, changes=c) for c in decayed]).assign(name=None))
    assert [a.label for a in find(arms, "none train.weight_decay=0.1")] == ["none train.weight_decay=0.1"]
    assert len(find(arms, "none")) == 2
    assert find(arms, "standard") == []
    named = name_arms(to_frame([fake(0, changes=STANDARD)]).assign(name="target"))
    assert find(named, "target") == find(named, "standard 0.5") == named
    assert legend(named) == ["target = standard 0.5"]


def titles(records: list[Any]) -> list[str]:
    return [title for title, _ in comparisons(to_frame(records))]


def test_titles_name_what_differs(fake: Any) -> None:
    def at(**changes: Any) -> Any:
        return fake(0, changes={k.replace("__", "."): v for k, v in changes.items()})

    assert titles([at(), fake(1), at(dropout="standard")]) == ["mlp on mnist, n_train=1000"]
    assert titles([at(data__n_train=None)]) == ["mlp on mnist"]
    assert titles([at(data__n_train=2000), at(data__n_train=10_000), at()]) == [
        "mlp on mnist, n_train=1000",
        "mlp on mnist, n_train=2000",
        "mlp on mnist, n_train=10000",
    ]
    assert titles([at(model="cnn"), at(data="digits")]) == ["cnn on mnist, n_train=1000", "mlp on digits, n_train=1000"]
    assert titles([at(model__widths=[64]), at()]) == [
        "mlp on mnist, widths=[64], n_train=1000",
        "mlp on mnist, widths=[512,512], n_train=1000",
    ]
    assert titles([at(train__epochs=5), at(train__epochs=50)])[0] == "mlp on mnist, n_train=1000, epochs=5"
    # Only where nothing else tells them apart are versions and import paths worth reading.
    assert titles([at(), at(model__version=2)]) == ["mlp on mnist, version=1", "mlp on mnist, version=2"]


def test_a_network_of_the_users_is_called_by_its_class_and_by_its_module_only_where_two_have_one_class(
    fake: Any,
) -> None:
    def of(target: str, seed: int, **data: Any) -> Any:
        record = fake(seed)
        record.config["model"] = {"name": "module", "_target_": HOST, "version": 1, "target": target}
        record.config["data"] |= data
        return record

    assert titles([of("net.Net", 0, n_train=None), fake(1, changes={"data.n_train": None})]) == [
        "Net on mnist",
        "mlp on mnist",
    ]
    assert titles([of("net.Net", 0), of("other.Net", 1)]) == [
        "Net on mnist, model=net.Net, n_train=1000",
        "Net on mnist, model=other.Net, n_train=1000",
    ]


def test_a_setting_that_is_null_is_said_in_words(fake: Any) -> None:
    with_it, without = fake(0), fake(1)
    with_it.config["data"]["group"], without.config["data"]["group"] = "customer", None
    assert titles([with_it, without]) == [
        "mlp on mnist, n_train=1000, group=customer",
        "mlp on mnist, n_train=1000, no group",
    ]


def test_a_key_that_older_records_lack_makes_another_comparison(fake: Any) -> None:
    old = fake(0)
    del old.config["train"]["epochs"]
    found = titles([old, fake(1)])
    assert len(found) == 2
    assert len(set(found)) == 2


def test_a_key_that_is_null_is_as_one_that_older_records_lack(fake: Any) -> None:
    """So the runs of a dropbench that had no such key yet are in the table with those of one that has it, unset."""
    old, new, other = fake(0), fake(1), fake(2)
    for record, value in ((new, None), (other, "plr")):
        record.config["model"]["num_embed"] = value
    assert titles([old, new]) == ["mlp on mnist, n_train=1000"]
    assert len(titles([old, new, other])) == 2


def test_a_schedule_of_the_weight_decay_is_worth_a_word_where_it_does_something(fake: Any) -> None:
    decay, flat = {"train.weight_decay": 0.1}, {"train.decay_schedule": "flat_cos"}
    off = {"train.decay_schedule": "constant"}
    records = [fake(0, changes=c) for c in (off, decay | off, decay | flat)]
    told = "none train.weight_decay=0.1"
    assert labels(records) == ["none", told, f"{told} train.decay_schedule=flat_cos"]


def test_values_are_written_as_typed() -> None:
    values = [None, True, 0.5, 1.0, 1000, [512, 512], {"input": 0.2, "*": 0.5}, "mlp", 1e-05]
    assert [written(v) for v in values] == [
        "null",
        "true",
        "0.5",
        "1",
        "1000",
        "[512,512]",
        "{input: 0.2, *: 0.5}",
        "mlp",
        "1e-05",
    ]
    assert same(0.5, ".50")
    assert same([512, 512], "[512, 512]")
    assert not same(True, "1")
    assert not same("a", "b")
    assert sorted([0.5, None, "b10", 0.25, "b9"], key=order) == [None, 0.25, 0.5, "b9", "b10"]
    assert spans([5, 0, 2, 1]) == "0-2, 5"
    assert spans([]) == ""


def test_a_class_that_moved_within_the_package_is_the_same_part(fake: Any) -> None:
    moved = {"model._target_": "dropbench.models.perceptron.MLP"}
    ((_, runs),) = comparisons(to_frame([fake(0), fake(1, changes=moved)]).assign(name=None))
    assert len(runs) == 2 and runs["arm_id"].nunique() == 1
    theirs = {"model._target_": "theirs.MLP"}  # a user's class of the same name is another
    assert len(comparisons(to_frame([fake(0), fake(1, changes=theirs)]).assign(name=None))) == 2
