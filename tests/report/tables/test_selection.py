"""A rate is chosen on validation data and then its test score is shown; it is confirmed under seeds that chose nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report
from dropbench.report.compared import labelled
from dropbench.report.tables.selection import choices


def at(fake: Any, rate: float, seed: int, val: float, test: float, **changes: Any) -> Any:
    dotted = {"dropout": "standard" if rate else "none", "dropout.rate": rate}
    return fake(seed, changes=dotted | {k.replace("__", "."): v for k, v in changes.items()}, val=val, test=test)


def test_the_choice_is_by_validation_and_not_by_test(fake: Any, put: Any, store: Any) -> None:
    put(*(at(fake, 0.0, s, 0.9, 0.9) for s in range(3)))
    put(*(at(fake, 0.25, s, 0.92, 0.80 + 0.01 * s) for s in range(3)))
    put(*(at(fake, 0.5, s, 0.91, 0.99) for s in range(3)))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert (choice.variant, choice.chosen, choice.of) == (
        "standard",
        "standard 0.25",
        ("none", "standard 0.25", "standard 0.5"),
    )
    assert (choice.score, choice.test_mean, choice.test_sd) == pytest.approx((0.92, 0.81, 0.01))
    (by_loss,) = report.build([store.root], metric="loss").comparisons[0].choices
    assert (str(by_loss.rule), by_loss.chosen) == ("val_loss", "standard 0.25")  # the fake loss falls as accuracy rises
    text = report.render(report.build([store.root]), "markdown", 80)
    assert "Rate with the highest mean validation accuracy" in text
    assert "Rate chosen by mean validation accuracy over seeds 0-2, and by nothing else" in text


def test_only_seeds_that_all_rates_have_decide(fake: Any, put: Any, store: Any) -> None:
    """Ten lucky seeds of one rate, such as those that confirmed it, are no argument against the other."""
    put(*(at(fake, 0.25, s, 0.90, 0.8) for s in range(3)), *(at(fake, 0.25, s, 0.99, 0.9) for s in range(1000, 1010)))
    put(*(at(fake, 0.5, s, 0.91, 0.7) for s in range(3)))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert (choice.chosen, choice.seeds, choice.test_mean) == ("standard 0.5", (0, 1, 2), pytest.approx(0.7))


def test_each_variant_and_schedule_has_its_own(fake: Any, put: Any, store: Any) -> None:
    early = {"name": "early", "until": 0.2}
    for rate in (0.25, 0.5):
        put(at(fake, rate, 0, 0.9 + rate / 100, 0.9), at(fake, rate, 0, 0.9, 0.9, dropout="spatial"))
        put(at(fake, rate, 0, 0.9 - rate / 100, 0.9, dropout__schedule=early))
    found = {c.variant: c.chosen for c in report.build([store.root]).comparisons[0].choices}
    assert found == {"standard": "standard 0.5", "spatial": "spatial 0.25", "standard early": "standard 0.25 early"}


def test_one_rate_is_no_choice(fake: Any, put: Any, store: Any) -> None:
    put(at(fake, 0.0, 0, 0.9, 0.9), at(fake, 0.5, 0, 0.9, 0.9))
    assert report.build([store.root]).comparisons[0].choices == ()


# No dropout, and other sweeps


def test_no_dropout_is_among_what_is_chosen_from_and_said_to_be_best(fake: Any, put: Any, store: Any) -> None:
    put(*(at(fake, rate, s, 0.95 - rate / 10, 0.9) for rate in (0.0, 0.25, 0.5) for s in range(2)))
    found = report.build([store.root])
    (choice,) = found.comparisons[0].choices
    assert (choice.chosen, choice.of, choice.idle) == ("none", ("none", "standard 0.25", "standard 0.5"), True)
    text = " ".join(report.render(found, "markdown").split())
    assert "By validation accuracy no rate beats going without dropout, so none is chosen." in report.render(
        found, "rich", 200
    )
    told = (
        "Going without dropout has the best validation accuracy, so no rate is chosen: standard (none, standard 0.25,"
    )
    assert f"{told} standard 0.5)." in text
    assert "--confirm" not in text


@pytest.fixture
def sweep(put: Any, store: Any, fake_plan: Any) -> Any:
    """Stores runs as those of a sweep."""

    def stored(name: str, records: list[Any]) -> None:
        put(*records)
        store.write_plan(fake_plan({}, plan_id=name, study=None, runs=[r.run_id for r in records]))

    return stored


def swept(fake: Any, best: dict[float, float], seeds: range) -> list[Any]:
    return [at(fake, rate, s, val + 0.001 * (s % 3), 0.8) for rate, val in best.items() for s in seeds]


def test_another_sweep_changes_neither_the_seeds_nor_the_choice(fake: Any, sweep: Any, store: Any) -> None:
    sweep("first", swept(fake, {0.0: 0.90, 0.1: 0.93, 0.3: 0.92}, range(6)))
    (alone,) = report.build([store.root]).comparisons[0].choices
    assert (alone.chosen, alone.seeds) == ("standard 0.1", tuple(range(6)))
    # One rate more under two seeds, better than all; and rates of its own under other seeds, without an arm that drops nothing.
    sweep("second", swept(fake, {0.0: 0.90, 0.5: 0.99}, range(2)))
    assert report.build([store.root]).comparisons[0].choices == (alone,)
    sweep("third", swept(fake, {0.6: 0.91, 0.7: 0.89}, range(1, 4)))
    first, third = report.build([store.root]).comparisons[0].choices
    assert first == alone
    # The arm that drops nothing has all of its seeds in another sweep.
    assert (third.chosen, third.of) == ("standard 0.6", ("none", "standard 0.6", "standard 0.7"))
    assert third.seeds == (1, 2, 3)


def test_no_dropout_of_another_sweep_takes_no_seeds_away(fake: Any, sweep: Any, store: Any) -> None:
    sweep("rates", swept(fake, {0.1: 0.93, 0.3: 0.92}, range(6)))
    sweep("none", swept(fake, {0.0: 0.99}, range(5)))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert (choice.of, choice.seeds) == (("standard 0.1", "standard 0.3"), tuple(range(6)))
    sweep("one more", swept(fake, {0.0: 0.99}, range(5, 6)))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert (choice.chosen, choice.seeds) == ("none", tuple(range(6)))


def test_sweeps_with_the_same_arms_are_one(fake: Any, sweep: Any, store: Any) -> None:
    for name, seeds in (("first", range(3)), ("more", range(3, 6))):
        sweep(name, swept(fake, {0.0: 0.90, 0.1: 0.93, 0.3: 0.92}, seeds))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert choice.seeds == tuple(range(6))
    # All of it in a wider sweep: that alone is shown.
    sweep("wide", swept(fake, {0.0: 0.90, 0.1: 0.93, 0.3: 0.92, 0.5: 0.94}, range(6)))
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert (choice.chosen, len(choice.of)) == ("standard 0.5", 4)


def test_rates_at_two_learning_rates_are_two_choices(fake: Any, put: Any, store: Any, fake_plan: Any) -> None:
    arms = {
        f"{name} {rate}": [at(fake, rate, 0, 0.9 + sign * rate / 100, 0.8, train__lr=lr)]
        for name, lr, sign in (("slow", 0.001, 1), ("fast", 0.1, -1))
        for rate in (0.1, 0.2)
    }
    plan = fake_plan(
        arms, study="rates", baseline="slow 0.1", tables={"t": {k: [r.run_id for r in v] for k, v in arms.items()}}
    )
    put(*(r for records in arms.values() for r in records))
    store.write_plan(plan)
    found = {c.variant: c.chosen for c in report.build([store.root], ["study=rates"]).comparisons[0].choices}
    assert found == {"standard train.lr=0.001": "slow 0.2", "standard train.lr=0.1": "fast 0.1"}


def test_of_arms_that_were_tuned_all_are_candidates_whatever_was_found_for_each(
    fake: Any, put: Any, store: Any, fake_plan: Any
) -> None:
    """Else the rate that has the best learning rate for itself alone would not be among those that are chosen from."""
    val = {("none", 0.001): 0.90, ("low", 0.1): 0.92, ("middle", 0.001): 0.94, ("high", 0.001): 0.93}
    rates = {"none": 0.0, "low": 0.1, "middle": 0.25, "high": 0.5}
    arms = {
        name: [at(fake, rates[name], seed, score, 0.8, train__lr=lr) for seed in (0, 1)]
        for (name, lr), score in val.items()
    }
    tables = {"t": {name: [r.run_id for r in of] for name, of in arms.items()}}
    put(*(r for records in arms.values() for r in records))
    store.write_plan(fake_plan(arms, study="rates", baseline="none", tables=tables))
    comparison = report.build([store.root], ["study=rates"]).comparisons[0]
    assert [set(c.of) for c in comparison.choices] == [{"none", "middle", "high"}]
    arms_there, runs = labelled(comparison.runs, ["none"])
    everywhere = {arm.label: ("train.lr",) for arm in arms_there}
    (choice,) = choices(runs, arms_there, comparison.measure, (), everywhere)
    assert (set(choice.of), choice.chosen) == (set(arms), "middle")
    del everywhere["low"]  # which was not tuned, so it has another learning rate for no reason of its own
    (choice,) = choices(runs, arms_there, comparison.measure, (), everywhere)
    assert set(choice.of) == {"none", "middle", "high"}


TINY = ("data=wine", "model.widths=[8]", "train.epochs=1", "train.lr=0.1", "execute.workers=1")


def test_confirm_trains_the_choice_and_the_baseline_under_fresh_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dropbench(capsys, "report", "--confirm").code == 2
    rates = 'dropout.rates={input: 0.1, "*": 0.2},{input: 0.1, "*": 0.4}'
    for words in (("dropout=none",), ("dropout=standard", rates)):
        said = dropbench(capsys, "sweep", *TINY, *words, "seed=0,1", "--quiet")
        assert (said.code, said.err) == (0, "")
    said = dropbench(capsys, "report", "--confirm")
    assert said.code == 0
    commands = re.findall(r"^dropbench sweep (.*)$", said.err, re.MULTILINE)
    assert len(commands) == 2 and all("'seed=range(1000,1002)'" in c for c in commands)
    assert "sweep: 4 runs\n" in said.err
    assert "Seeds: 1000-1001; scores of the last epoch" in said.out
    again = dropbench(capsys, "report", "--confirm")
    assert "sweep: 4 runs, 4 finished already and skipped" in again.err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 6 + 4
    alone = dropbench(capsys, "report", "dropout=none", "seed=0,1", "--confirm")
    assert alone.code == 2 and "--confirm: there is a single arm, so nothing was chosen" in alone.err
