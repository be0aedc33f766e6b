"""From the samples of whole processes to rows: ratios for the claims, and what does not count."""

from __future__ import annotations

import pytest

from benchmarks.end_to_end import rows
from benchmarks.measure import OF_PROCESSORS, RATIO, Row
from benchmarks.runners import Sample
from benchmarks.workloads import WORKLOADS

WORK = WORKLOADS["digits-20"]
NAN = float("nan")


def samples(seconds: list[float], accuracy: float, runs: int = 50, marginal: float = NAN) -> list[Sample]:
    """One block for each of `seconds`."""
    reached = dict.fromkeys(WORK.runs(runs), accuracy)
    return [Sample(s, marginal, runs, reached) for s in seconds]


def made(**found: list[Sample]) -> dict[tuple[str, str], Row]:
    named = {name.replace("_", " "): s for name, s in found.items()}
    return {(r.runner, r.what): r for r in rows(WORK, named)}


def test_ratios_are_those_of_the_blocks_and_of_the_claims() -> None:
    found = made(
        dropbench=samples([4.0, 8.0, 4.0], 0.9),
        joblib=samples([16.0, 32.0, 20.0], 0.9),
        one_loader_script=samples([5.0, 10.0, 4.0], 0.9, runs=1),
    )
    assert found["joblib / dropbench", RATIO].median == 4.0
    assert found["dropbench / one loader script", RATIO].median == pytest.approx(0.8)
    assert found["dropbench", "whole process"].high == 8.0
    assert found["one loader script", "whole process"].runs_timed == "1 of 1"
    assert {r.counts for r in found.values()} == {"yes"}


def test_how_many_runs_were_timed_stands_in_every_row() -> None:
    found = made(dropbench=samples([4.0, 4.0], 0.9), plain=samples([40.0, 44.0], 0.9, runs=5, marginal=0.8))
    assert found["plain", "one run more"].median == 0.8
    assert {r.runs_timed for (runner, _), r in found.items() if "plain" in runner} == {"5 of 50"}
    assert ("dropbench", "one run more") not in found


def test_a_peer_that_reaches_another_accuracy_does_not_count() -> None:
    found = made(dropbench=samples([4.0], 0.9), joblib=samples([16.0], 0.9), plain=samples([40.0], 0.8))
    assert found["plain", "whole process"].counts == "no"
    assert found["plain / dropbench", RATIO].counts == "no"
    assert found["joblib / dropbench", RATIO].counts == "yes"
    assert "80.00 %" in found["plain", "whole process"].accuracy
    assert "90.00 %" in found["plain", "whole process"].accuracy


def test_nor_does_a_dropbench_that_does() -> None:
    found = made(dropbench=samples([4.0], 0.9), dropbench_bf16=samples([2.0], 0.5), joblib=samples([16.0], 0.9))
    assert found["joblib / dropbench bf16", RATIO].counts == "no"
    assert found["joblib / dropbench", RATIO].counts == "yes"


def test_processor_times_are_compared_where_all_runs_were_carried_out() -> None:
    reached = dict.fromkeys(WORK.runs(), 0.9)
    ours, theirs = ([Sample(1.0, NAN, 50, reached, s) for s in each] for each in ([4.0, 5.0, 4.0], [8.0, 20.0, 12.0]))
    found = made(dropbench=ours, joblib=theirs, plain=samples([40.0] * 3, 0.9, runs=5, marginal=0.8))
    assert found["joblib", "processor time"].median == 12.0
    assert found["joblib / dropbench", OF_PROCESSORS].median == 3.0
    assert ("plain", "processor time") not in found
    assert ("plain / dropbench", OF_PROCESSORS) not in found
