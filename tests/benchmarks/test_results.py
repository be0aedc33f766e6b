"""benchmarks.csv and benchmarks.md: verdicts on claims, merging by workload, reading back what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.claims import CLAIMS, Claim, ratios_of, verdicts
from benchmarks.measure import Row, row
from benchmarks.results import MADE_BY, Kept, load, markdown, merge, save
from benchmarks.workloads import WORKLOADS

MADE = {name: f"some {name}" for name in MADE_BY}
TITLES = {"digits-20": "First", "masks": "Second"}


def measured(claim: Claim, value: float, counts: str = "yes") -> Row:
    return row(claim.workload, claim.runner, claim.what, [value] * 5, "×", counts=counts)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.text)
def test_a_claim_is_reached_at_its_limit_and_not_beyond(claim: Claim) -> None:
    worse = 1.01 * claim.asked + 0.01 if claim.at_most else 0.99 * claim.asked - 0.01

    def verdict(value: float, counts: str = "yes") -> str:
        (found,) = [v for c, _, v in verdicts([measured(claim, value, counts)]) if c is claim]
        return found

    assert verdict(claim.asked) == "yes"
    assert verdict(worse) == "no"
    assert verdict(claim.asked, "no").startswith("does not count")


def test_what_was_not_measured_is_not_reached() -> None:
    assert {v for _, _, v in verdicts([])} == {"not measured"}


def test_every_claim_on_a_sweep_is_between_runners_of_its_workload() -> None:
    for claim in CLAIMS:
        if claim.workload in WORKLOADS:
            assert {claim.above, claim.below} <= set(WORKLOADS[claim.workload].timed), claim
    assert ("dropbench", "one loader script") in ratios_of("digits-20")


def test_the_claims_come_first() -> None:
    claim = CLAIMS[0]
    shown = markdown([Kept(measured(claim, 0.5), MADE)], TITLES)
    assert shown.index("## Claims") < shown.index(f"## {claim.workload}")
    (line,) = [line for line in shown.splitlines() if line.startswith(f"| {claim.text} |")]
    assert line == f"| {claim.text} | ≤ 1.1 × | 0.5 × (0.5 – 0.5) | yes |"
    assert shown.count("not measured") == len(CLAIMS) - 1
    assert "`some command`" in shown and "some machine" in shown


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [row("masks", "a", "time", [1.0, 2.0, 4.0], "ns"), measured(CLAIMS[0], 1.0625)]
    save([Kept(r, MADE) for r in rows], tmp_path, TITLES)
    back = load(tmp_path / "benchmarks.csv")
    assert {k.row for k in back} == set(rows)
    assert [k.row.workload for k in back] == ["digits-20", "masks"]  # in the order of the titles
    assert all(k.origin == MADE for k in back)
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == markdown(back, TITLES)


def test_a_part_measured_again_replaces_itself_alone() -> None:
    old = [Kept(row("masks", name, "time", [1.0], "ns"), MADE) for name in "ab"]
    other = Kept(row("digits-20", "c", "time", [1.0], "s"), MADE)
    again = row("masks", "a", "time", [2.0], "ns")
    made = MADE | {"date": "later"}
    assert merge([*old, other], [again], made) == [other, Kept(again, made)]


def test_rows_of_another_processor_stay_beside_the_new_ones() -> None:
    old = Kept(row("masks", "a", "time", [1.0], "ns"), MADE | {"machine": "2 × one, 8 GiB"})
    made = MADE | {"machine": "2 × other, 8 GiB"}
    again = row("masks", "a", "time", [2.0], "ns")
    both = merge([old], [again], made)
    assert both == [old, Kept(again, made)]
    assert merge(both, [again], made | {"machine": "2 × other, 8 GiB, other work"}) == [
        old,
        Kept(again, made | {"machine": "2 × other, 8 GiB, other work"}),
    ]


def test_where_some_runners_are_measured_rows_of_the_others_stay() -> None:
    old = [Kept(row("masks", name, "time", [1.0], "ns"), MADE) for name in ("a", "b", "b / a")]
    again = row("masks", "a", "time", [2.0], "ns")
    assert merge(old, [again], MADE, ["a"]) == [*old[1:], Kept(again, MADE)]


def test_figures_of_several_processors_are_told_apart() -> None:
    claim, other = CLAIMS[0], CLAIMS[1]
    one, two = (MADE | {"machine": f"2 × {name}, 8 GiB"} for name in ("one", "two"))
    kept = [Kept(measured(claim, 0.5), one), Kept(measured(claim, 2.0), two), Kept(measured(other, 9.0), two)]
    shown = markdown(kept, TITLES).splitlines()
    lines = [line for line in shown if line.startswith(f"| {claim.text} |")]
    assert [line.split(" | ")[-2:] for line in lines] == [["yes", "2 × one |"], ["no", "2 × two |"]]
    (line,) = [line for line in shown if line.startswith(f"| {other.text} |")]
    assert line.endswith("| yes | 2 × two |")
    assert shown.count("On 2 × one:") == 1 and shown.count("On 2 × two:") == 2


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "benchmarks.csv") == []


def test_only_columns_that_say_something_are_shown() -> None:
    bare = row("masks", "a", "time", [1.0, 1.5], "ns")
    assert "counts" not in markdown([Kept(bare, MADE)], TITLES).split("## masks")[1]
    told = replace(bare, counts="no")
    assert "counts" in markdown([Kept(told, MADE)], TITLES).split("## masks")[1]
