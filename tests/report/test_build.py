"""From folders to a report: paths, filters, studies, baselines, and the notes."""

from __future__ import annotations

import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.assemble import asked
from dropbench.report.statistics.grammar import parse
from dropbench.report.tables.asked import Questions

RATES = {"none": ("none", 0.0), "reduced": ("standard", 0.25), "target": ("standard", 0.5)}


def three_arms(fake: Any, seeds: int, **changes: Any) -> dict[str, list[Any]]:
    arms: dict[str, list[Any]] = {}
    for i, (name, (variant, rate)) in enumerate(RATES.items()):
        dotted = {"dropout": variant, "dropout.rate": rate} | {k.replace("__", "."): v for k, v in changes.items()}
        arms[name] = [
            fake(s, changes=dotted, test=0.88 + 0.01 * i + 0.001 * (s * (i + 1) % 3), val=0.9 + 0.01 * i)
            for s in range(seeds)
        ]
    return arms


def everything(arms: dict[str, list[Any]]) -> list[Any]:
    return [record for records in arms.values() for record in records]


def arm_labels(found: Any) -> list[list[str]]:
    return [c.table["arm"].tolist() for c in found.comparisons]


def notes(found: Any) -> str:
    return "\n".join([n for c in found.comparisons for n in c.notes] + list(found.notes))


# Paths


def test_paths_may_be_roots_their_parts_or_runs(fake: Any, put: Any, store: Any, tmp_path: Path) -> None:
    records = everything(three_arms(fake, 2))
    put(*records)
    runs = store.root / "runs"
    for paths in ([store.root], [runs], sorted(runs.iterdir()), [store.root, runs]):
        assert report.build(paths).comparisons[0].table["n"].tolist() == [2, 2, 2]
    one = report.build([runs / records[0].run_id])
    assert one.comparisons[0].table["n"].tolist() == [1]


def test_a_path_without_results_says_what_to_run(tmp_path: Path, store: Any) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*dropbench sweep study=three_arm"):
        report.build([tmp_path / "absent"])
    with pytest.raises(UsageError, match=r"neither a results folder .*dropbench sweep study=three_arm"):
        report.build([tmp_path])
    store.check()
    with pytest.raises(UsageError, match=r"holds no runs; .*dropbench sweep study=three_arm"):
        report.build([store.root])
    (store.root / "runs" / "x").mkdir()
    with pytest.raises(UsageError, match=r"1 that cannot be read: no record.json"):
        report.build([store.root])


def test_the_default_path_is_results(fake: Any, put: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(fake(0))
    monkeypatch.chdir(store.root.parent)
    assert len(report.build([]).comparisons) == 1


def test_a_run_in_two_folders_counts_once(fake: Any, put: Any, store: Any, tmp_path: Path) -> None:
    put(*everything(three_arms(fake, 2)))
    shutil.copytree(store.root, tmp_path / "copy")
    assert report.build([store.root, tmp_path / "copy"]).comparisons[0].table["n"].tolist() == [2, 2, 2]


# Filters


@pytest.mark.parametrize(
    ("filters", "n"),
    [
        (["model=mlp"], 9),
        (["model=mlp,cnn"], 18),
        (["model=*n"], 9),
        (["dropout=none"], 6),
        (["dropout.rate=.50"], 6),
        (["dropout.rate=0.25,0.5", "model=cnn"], 6),
        (["model.widths=[512, 512]"], 9),
        (["seed=0,2"], 12),
        (["seed=range(0,2)"], 12),
        (["status=completed", "train.max_norm=null"], 18),
        (["data=mnist", "data.n_train=1000", "dropout._target_=*None_"], 18),
    ],
)
def test_filters(fake: Any, put: Any, store: Any, filters: list[str], n: int) -> None:
    put(*everything(three_arms(fake, 3)), *everything(three_arms(fake, 3, model="cnn")))
    found = report.build([store.root], filters)
    assert sum(c.table["n"].sum() for c in found.comparisons) == n


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (["modle=mlp"], "unknown key 'modle'; did you mean 'model'?"),
        (["dropout.rat=0.5"], "did you mean 'dropout.rate'?"),
        (["train.widths=8"], "did you mean 'model.widths'?"),
        (["model=mpl"], "model=mpl: no stored run has this value; did you mean 'mlp'? valid: mlp"),
        (["dropout.rate=0.75"], "dropout.rate=0.75: no stored run has this value; valid: 0, 0.25, 0.5"),
        (["status=failed"], "status=failed: no stored run has this value"),
        (["dropout=none", "dropout.rate=0.5"], "no stored run fits all of these at once: dropout=none"),
        (["mlp"], "'mlp' is not a filter: write key=value"),
        (["model="], "'model=' is not a filter"),
        (["study=three_arm"], "no study has been run here; to train some runs, type: dropbench sweep study=three_arm"),
    ],
)
def test_a_filter_that_cannot_match_is_a_sentence(
    fake: Any, put: Any, store: Any, filters: list[str], sentence: str
) -> None:
    put(*everything(three_arms(fake, 1)))
    with pytest.raises(UsageError) as caught:
        report.build([store.root], filters)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


# Studies and plans


def test_a_study_restricts_to_its_runs_and_uses_its_names(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 2)
    put(*everything(arms), fake(0, changes={"dropout": "spatial"}))
    store.write_plan(fake_plan(arms))
    assert arm_labels(report.build([store.root])) == [["none", "spatial 0", "standard 0.25", "standard 0.5"]]
    found = report.build([store.root], ["study=three_arm"])
    assert arm_labels(found) == [["none", "reduced", "target"]]
    assert found.comparisons[0].table["setting"].tolist() == ["none", "standard 0.25", "standard 0.5"]
    assert found.questions == ("Does dropout help here?",)
    assert "Does dropout help here?" in report.render(found, "rich", 80)
    with pytest.raises(UsageError, match="did you mean 'three_arm'"):
        report.build([store.root], ["study=tree_arm"])


def test_runs_that_two_points_of_a_sweep_share_are_one_arm(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    """`sweep study=three_arm dropout.rate=0.5,0.25`: the reduced arm of the first point is the target of the second."""
    arms = three_arms(fake, 6)
    least = [fake(s, changes={"dropout": "standard", "dropout.rate": 0.125}, test=0.85) for s in range(6)]
    put(*everything(arms), *least)
    points = {**arms, "reduced": arms["reduced"] + least, "target": arms["target"] + arms["reduced"]}
    store.write_plan(fake_plan(points))
    (found,) = report.build([store.root], ["study=three_arm"]).comparisons
    both = "reduced/target: standard 0.25"
    assert found.labels == ["none", both, "reduced: standard 0.125", "target: standard 0.5"]
    assert len(found.runs) == 24 and len(found.verdicts) == 3
    single = report.list_runs([store.root], ["study=three_arm"]).single
    assert single is not None and list(dict.fromkeys(single.table["arm"])) == found.labels
    with pytest.raises(UsageError, match="'reduced' may mean any of 2 arms"):
        asked([store.root], ["study=three_arm"], Questions((parse("reduced.test_accuracy"),)))


def test_a_name_that_meant_two_settings_is_told_apart(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 2)
    milder = {"none": arms["none"], "target": arms["reduced"]}
    put(*everything(arms))
    store.write_plan(fake_plan(arms))
    store.write_plan(fake_plan(milder, plan_id="second"))
    labels = arm_labels(report.build([store.root], ["study=three_arm"]))
    assert labels == [["none", "reduced/target: standard 0.25", "target: standard 0.5"]]


def test_a_plan_that_is_not_finished_says_how_far_it_is(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 3)
    put(*arms["none"], *arms["target"][:2])
    found = report.for_plan(store, fake_plan(arms))
    assert arm_labels(found) == [["none", "target"]]
    assert "4 of 9 planned runs have not run yet" in notes(found)
    assert "target, seed 2" in notes(found)
    none_yet = report.for_plan(store, fake_plan({"reduced": arms["reduced"]}))
    assert none_yet.comparisons == ()
    assert "3 of 3 planned runs have not run yet" in report.render(none_yet, "rich", 80)


def test_a_run_in_two_arms_of_a_plan_is_in_both(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    records = [fake(s) for s in range(2)]
    put(*records)
    found = report.for_plan(store, fake_plan({"none": records, "target": records}))
    assert arm_labels(found) == [["none", "target"]]
    assert found.comparisons[0].table["test_accuracy_diff_mean"].tolist()[1] == 0


# Baselines


def test_any_arm_can_be_the_baseline(fake: Any, put: Any, store: Any) -> None:
    put(*everything(three_arms(fake, 2)))
    found = report.build([store.root], [], "standard 0.5").comparisons[0]
    assert found.baseline == "standard 0.5"
    with pytest.raises(UsageError, match=r"--baseline 'standart 0.5'.*did you mean 'standard 0.5'"):
        report.build([store.root], [], "standart 0.5")


def test_without_a_baseline_there_are_no_differences_and_a_note(fake: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 2)
    put(*arms["reduced"], *arms["target"])
    found = report.build([store.root])
    assert found.comparisons[0].baseline is None
    assert "no arm here is the baseline 'none'" in notes(found)
    assert "Difference from" not in report.render(found, "rich", 80)
    put(*(fake(0, changes={"train.weight_decay": d}) for d in (0.1, 0.2)))
    assert "may be 'none train.weight_decay=0.1' or" in notes(report.build([store.root]))


# Notes


@pytest.mark.parametrize(
    ("patience", "restore", "rule", "brief"),
    [
        (
            (5, 5),
            True,
            "from the epoch with the lowest validation loss,",
            "scores of each run's best epoch (lowest validation loss);",
        ),
        ((5, 5), False, "from the last epoch,", "scores of the last epoch;"),
        (
            (None, 5),
            True,
            "from the last epoch, or with early stopping the epoch with the lowest validation loss,",
            "scores of the last epoch, or with early stopping of each run's best epoch (lowest validation loss);",
        ),
    ],
)
def test_the_rule_says_how_the_epoch_was_chosen(
    fake: Any, put: Any, store: Any, patience: tuple[int | None, ...], restore: bool, rule: str, brief: str
) -> None:
    put(
        *(
            fake(0, changes={"train.patience": p, "train.restore_best": restore}, test=0.9 + i / 100)
            for i, p in enumerate(patience)
        )
    )
    found = report.build([store.root])
    assert rule in notes(found)
    assert brief in " ".join(note for c in found.comparisons for note in c.brief)


def test_a_commit_with_changes_is_told_from_the_commit(fake: Any, put: Any, store: Any) -> None:
    for seed, commit in enumerate(("0123456789abcdef", "0123456789abcdef-dirty")):
        put(fake(seed, git_commit=commit))
    assert "Mixed git commits: 0123456789ab (1 run), 0123456789ab-dirty (1 run)." in notes(report.build([store.root]))


def test_notes_tell_seeds_failures_rule_and_doubts(fake: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 4)
    put(*arms["none"], *arms["reduced"][:2])
    on = {"dropout": "standard", "dropout.rate": 0.25}
    put(fake(2, changes=on, status="failed", reason="RuntimeError: boom\nmore"))
    put(fake(3, changes=on, status="diverged", reason="loss nan", git_commit=None))
    (store.root / "runs" / "junk").mkdir()
    found = report.build([store.root])
    said = notes(found)
    assert "Seeds: 0-3 (none); 0-1 (standard 0.25)." in said
    assert "Failed, left out of every mean: standard 0.25, seed 2 (RuntimeError: boom)." in said
    assert "Diverged, left out of every mean: standard 0.25, seed 3 (loss nan)." in said
    assert "every number is from the last epoch, and the test split (10,000 examples) was evaluated only once" in said
    assert "Fewer than six pairs, so no winner is named: even if all 3 differences" in said
    assert "p = 0.25" in said
    assert "Mixed git commits: c0ffee (7 runs), unknown (1 run)." in said
    assert "Skipped 1 record: 1 × no record.json" in said
    assert found.skipped[0].path.name == "junk"
    assert "partner" not in said


def test_libraries_that_multiplied_are_told_where_they_differ_on_cpus(fake: Any, put: Any, store: Any) -> None:
    arms = three_arms(fake, 3)
    put(*arms["none"], *(replace(record, products=None) for record in arms["reduced"]))
    put(*(replace(record, device="cuda", products="cuda") for record in arms["target"]))
    assert "libraries" not in notes(report.build([store.root]))  # old records do not know, and a card has its own
    put(fake(7, changes={"dropout": "none"}, products="openblas"))
    said = notes(report.build([store.root]))
    assert "Mixed libraries that multiplied matrices, which round differently: mkl (3 runs), openblas (1 run)." in said


def test_six_pairs_need_no_excuse_and_one_version_no_note(fake: Any, put: Any, store: Any) -> None:
    put(*everything(three_arms(fake, 6)))
    said = notes(report.build([store.root]))
    assert "Seeds: 0-5, the same in every arm." in said
    assert "Fewer" not in said
    assert "Mixed" not in said


def test_different_data_under_one_name_is_pointed_out(fake: Any, put: Any, store: Any) -> None:
    put(fake(0), fake(1, data_fingerprint="different"))
    said = notes(report.build([store.root]))
    assert "1 run was made from other data than the newest (different); it is kept and not compared" in said


def test_only_failures_is_still_a_report(fake: Any, put: Any, store: Any) -> None:
    put(fake(0, status="failed", reason=None))
    found = report.build([store.root])
    assert found.comparisons[0].table["n"].tolist() == [0]
    for fmt in (f for f in report.FORMATS if f != "parquet"):
        assert "no reason recorded" in report.render(found, fmt, 80) or fmt in ("csv", "verdict")


def test_six_seeds_are_enough_for_many_arms(fake: Any, put: Any, store: Any) -> None:
    """Where Holm's p of six arms cannot go below 6/32, whatever the differences, all of them are confirmed here."""
    noise = random.Random(0)
    for seed in range(6):
        put(fake(seed, test=0.8))
        for i in range(1, 7):
            changes = {"dropout": "standard", "dropout.rate": i / 10}
            put(fake(seed, changes=changes, test=0.9 + noise.gauss(0, 0.001)))
    made = report.build([store.root])
    (found,) = made.comparisons
    assert set(found.table["p_adjusted"][1:]) == {2 / 64} and set(found.table["verdict"][1:]) == {"better"}
    assert not [n for n in found.notes if "too few" in n]
    assert "no winner can be named" not in report.render(made, "html")


def test_of_many_seeds_one_that_is_far_out_carries_little_of_the_spread(fake: Any, put: Any, store: Any) -> None:
    noise = random.Random(3)
    for seed in range(60):
        gain = 0.25 if seed == 3 else noise.gauss(0, 0.05)
        put(fake(seed, test=0.5), fake(seed, changes={"dropout": "standard", "dropout.rate": 0.1}, test=0.5 + gain))
    (found,) = report.build([store.root]).comparisons
    assert not [n for n in found.notes if n.startswith("One seed carries")]


@pytest.mark.parametrize("seeds", [6, 10])
def test_one_seed_that_carries_the_spread_is_named(fake: Any, put: Any, store: Any, seeds: int) -> None:
    noise = random.Random(seeds)
    for seed in range(seeds):
        put(fake(seed, test=0.9))
        for i, gone in ((1, 0.0), (2, 0.5 * (seed == 3))):
            changes = {"dropout": "standard", "dropout.rate": i / 10}
            put(fake(seed, changes=changes, test=0.9 - gone + noise.gauss(0, 0.005)))
    (found,) = report.build([store.root]).comparisons
    (note,) = [n for n in found.notes if n.startswith("One seed carries")]
    assert re.match(
        r"One seed carries most of the spread: standard 0\.2, seed 3 \(-(49|50)\.\d+ points, without it", note
    )
