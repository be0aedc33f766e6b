"""Measures how steady training is where runs are tested, and what becomes of scores if the same runs are rounded otherwise.

    python -m benchmarks.ends results/mnist [results/mnist_elsewhere]

Of each arm of a results folder with one comparison: how far the training loss rises in the last quarter of the epochs, the
share of the variance of the validation differences between seeds that is there from one epoch to the next, and the test
differences from the baseline. With a second folder of the same runs, trained with another library or other instructions: by how
much the test score differs there, and under how many seeds it is the same. results/reference/unsteady_ends.md has the numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dropbench import report
from dropbench.report.records.measures import Measure
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.report import Report
from dropbench.store.epochs import Epochs

Values = NDArray[np.float64]


def ends(of: Report, comparison: Comparison, label: str) -> list[Epochs]:
    """Return what is known of the histories of an arm's completed runs."""
    return [of.epochs[run] for run in comparison.done(label)["run_id"]]


def apart(comparison: Comparison, label: str, measure: Measure) -> Values:
    """Return the differences of an arm from the baseline under each seed, in the unit in which they are shown."""
    ours, theirs = (comparison.scores(one, measure) for one in (label, str(comparison.baseline)))
    return measure.scale * np.array([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])


def elsewhere(here: Comparison, there: pd.DataFrame, label: str, measure: Measure) -> Values:
    """Return by how much the scores of an arm's runs differ in the frame of another folder. An id does not name the library."""
    ours = here.done(label).set_index("run_id")[str(measure)]
    theirs = there.set_index("run_id")[str(measure)]
    both = ours.index.intersection(theirs.index)
    return measure.scale * (theirs[both] - ours[both]).to_numpy()


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line for each arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    folders = parser.parse_args(argv)
    built = report.build([folders.folder])
    there = report.build([folders.other]).runs if folders.other else None
    (here,) = built.comparisons
    measure = here.measure
    assert measure is not None, "nothing was measured on the test split"
    score = measure.on("val")
    within = {label: fmean(e.moves[str(score)] / 2 for e in ends(built, here, label)) for label in here.labels}
    for label in here.labels:
        rise = median(e.rebound for e in ends(built, here, label) if e.rebound is not None)
        told = [f"{label}: loss rises to {rise:.2f} times"]
        if here.baseline is not None and label != here.baseline:
            between = float(np.var(apart(here, label, score), ddof=1)) / score.scale**2
            tested = apart(here, label, measure)
            told.append(f"share of the variance {(within[label] + within[here.baseline]) / between:.2f}")
            told.append(f"{measure.spoken} {tested.mean():+.2f}, sd {tested.std(ddof=1):.2f}")
        if there is not None and len(moved := elsewhere(here, there, label, measure)):
            same = int((moved == 0).sum())
            told.append(
                f"elsewhere {moved.mean():+.2f}, sd {moved.std(ddof=1):.2f}, same under {same} of {len(moved)} seeds"
            )
        print("; ".join(told))


if __name__ == "__main__":
    main()
