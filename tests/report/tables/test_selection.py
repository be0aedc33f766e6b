"""A rate is chosen on validation data and then its test score is shown; it is confirmed under seeds that chose nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report


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
        ("standard 0.25", "standard 0.5"),
    )
    assert (choice.score, choice.test_mean, choice.test_sd) == pytest.approx((0.92, 0.81, 0.01))
    (by_loss,) = report.build([store.root], metric="loss").comparisons[0].choices
    assert (str(by_loss.rule), by_loss.chosen) == ("val_loss", "standard 0.25")  # the fake loss falls as accuracy rises
    text = report.render(report.build([store.root]), "rich", 80)
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


TINY = ("data=wine", "model.widths=[8]", "train.epochs=1", "execute.workers=1")


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
    assert "Seeds: 1000-1001, the same in every arm." in said.out
    again = dropbench(capsys, "report", "--confirm")
    assert "sweep: 4 runs, 4 finished already and skipped" in again.err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 6 + 4
    assert "--confirm: no rate was chosen" in dropbench(capsys, "report", "dropout=none", "--confirm").err
