"""What a drawn setting is made of: settings that come together, what is not chosen, and each part that can be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training import cohort_of

from dropbench.config.compose import composer
from dropbench.config.search_spec import SearchSpec
from dropbench.planning.ingredients import joined, met, without_each
from dropbench.planning.plan import make
from dropbench.planning.searching import settings_of, space_of
from dropbench.planning.sources import load


def test_settings_that_come_together_are_put_in_their_place() -> None:
    sample: dict[str, Any] = {
        "dropped": {"dropout": []},
        "train.weight_decay": 0.1,
        "decayed": {"train.weight_decay": 0},
        "branches": {"model.skip": True, "dropout": ["shake_drop"]},
        "augmented": {"regularizer": ["mixup"]},
        "averaged": {"regularizer": ["swa"], "regularizer.swa.share": 0.5},
    }
    assert joined(sample) == {
        "dropout": ["shake_drop"],
        "train.weight_decay": 0,
        "model.skip": True,
        "regularizer": ["mixup", "swa"],
        "regularizer.swa.share": 0.5,
    }
    assert joined({"a": {"dropout": []}, "b": {"dropout": []}}) == {"dropout": "none"}


def test_what_is_drawn_for_what_is_not_chosen_is_left_out() -> None:
    numbers = {
        "dropout.standard.rate": 0.1,
        "dropout.shake_drop.rate": 0.2,
        "dropout.rate": 0.3,
        "dropout.rates.input": 0.4,
        "dropout.schedule.until": 0.5,
        "regularizer.mixup.alpha": 0.6,
        "regularizer.swa.share": 0.7,
    }

    def kept(sample: dict[str, Any]) -> set[float]:
        return {v for k, v in met({**numbers, **sample}).items() if k in numbers}

    assert kept({}) == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    assert kept({"dropout": "none"}) == {0.3, 0.4, 0.5, 0.6, 0.7}
    assert kept({"dropout": ["shake_drop", "locked"]}) == {0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    assert kept({"regularizer": ["swa"], "dropout": "standard"}) == {0.1, 0.3, 0.4, 0.5, 0.7}


def test_of_several_variants_each_is_left_out_by_itself_and_with_shortcuts_what_acts_on_them() -> None:
    setting = {
        "dropout": ["standard", "shake_shake"],
        "dropout.standard.rate": 0.3,
        "dropout.shake_shake.rate": 0.5,
        "model.skip": True,
        "model.two_branches": True,
    }
    found = without_each(setting)
    assert set(found) == {"standard", "shake_shake", "skip"}
    alone = {"dropout": ["standard"], "dropout.standard.rate": 0.3}
    assert found["shake_shake"] == {**alone, "model.skip": True, "model.two_branches": True}
    assert found["standard"]["dropout"] == ["shake_shake"] and "dropout.standard.rate" not in found["standard"]
    assert found["skip"] == {**alone, "model.skip": False}
    only = {"dropout": ["shake_drop"], "dropout.shake_drop.rate": 0.5, "model.skip": True}
    assert without_each(only) == {
        "dropout": {"dropout": "none", "model.skip": True},
        "skip": {"dropout": "none", "model.skip": False},
    }


def test_every_piece_of_the_space_of_kadra_runs_and_acts(tmp_path: Path) -> None:
    """Each by itself, and what may come together with others of its kind, in a small network on a small table."""
    rows = "\n".join(f"{i % 7},{i * i % 11},{'pqr'[i * i % 3]},{'ab'[i % 2]}" for i in range(120))
    (tmp_path / "t.csv").write_text(f"one,two,three,y\n{rows}\n")
    words = ["study=kadra2021", "data=csv", f"data.path={tmp_path / 't.csv'}", "data.target=y", "seed=0"]
    words += ["model.widths=[8,8,8,8]", "train.epochs=3", "train.batch_size=16", "train.lr=0.02", f"results={tmp_path}"]
    with composer() as c:
        study = c.compose({w.partition("=")[0]: w for w in words}).study
        assert study is not None and study.search is not None
        space = {key: of for key, (_, of) in space_of(study.search, "cocktail").items()}
        lists = {key: of.values for key, of in space.items() if of.several}
        first = {key: of.values[0] if key in lists else of.value([0.5]) for key, of in space.items()}
        first["model.batch_norm"] = "none"
        pieces = {f"{key} {i}": {**first, key: one} for key, several in lists.items() for i, one in enumerate(several)}
        pieces["batch norm"] = {**first, "model.batch_norm": "before_activation"}
        last = {key: several[-1] for key, several in lists.items()}
        for i, branches in enumerate(lists["branches"]):
            pieces[f"all with branches {i}"] = {**first, **last, "branches": branches}
        arms = {name: met(sample) for name, sample in pieces.items()}
        plan = make(words, c.with_arms({"plain": {"dropout": "none"}, **arms}, "plain"))
    assert not plan.failed and not plan.unplanned
    specs = {s.run_id: s for s in plan.specs}
    trained = {}
    for run, spec in specs.items():
        training = cohort_of(spec, table=load(spec.data, plan.settings))
        (result,) = training.run()
        assert result.status == "completed", spec
        trained[run] = result.metrics
    # Whatever is another run has other numbers; only the first of each list, which sets nothing, are one run.
    assert len({repr(metrics) for metrics in trained.values()}) == len(trained)
    same = [name for name in arms if plan.arms[name] == plan.arms["dropped 0"]]
    assert same == [
        "dropped 0",
        "branches 0",
        "branches 1",
        "branches 2",
        "decayed 0",
        "augmented 0",
        "looking 0",
        "averaged 0",
    ]


def test_a_space_with_settings_that_come_together() -> None:
    space = {
        "kind": [{"regularizer": []}, {"regularizer": ["mixup"], "train.lr": 0.1}],
        "regularizer.mixup.alpha": "uniform(0.1, 1)",
    }
    settings = settings_of(SearchSpec(budget=16, together=1, spaces={"cocktail": space}), "cocktail")
    assert {tuple(sorted(s)) for s in settings} == {
        ("regularizer",),
        ("regularizer", "regularizer.mixup.alpha", "train.lr"),
    }
