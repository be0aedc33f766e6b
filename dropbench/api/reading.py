"""`report` compares stored runs; `load` and `history` return them as tables for your own analysis."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.api.answer import Answer
from dropbench.api.arguments import checked
from dropbench.api.call import call
from dropbench.api.overrides import Folders, words
from dropbench.config.paths import own_folders

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.report.tables.report import Report

Which = str | os.PathLike[str] | Mapping[str, Any]
"""A folder of results or of a run, or a filter: `"model=cnn"`, or `{"dropout.rate": 0.5}`."""
Texts = str | Sequence[str]


@checked("filter")
def report(
    *which: Which,
    baseline: str | None = None,
    metric: str | None = None,
    rope: str | None = None,
    about: str | None = None,
    where: Texts = (),
    rows: str | None = None,
    cols: str | None = None,
    contrast: Texts = (),
    interaction: Texts = (),
    trend: Texts = (),
    optimum: Texts = (),
    explain: bool = False,
    conf: Folders = (),
) -> Answer:
    """Compare stored runs, as `dropbench report` does. Nothing is trained.

    Parameters
    ----------
    *which : path, str or mapping
        Results folders (default: `"results"`) and filters: `"study=three_arm"`, `{"dropout.rate": 0.5}`.
    baseline : str, optional
        The arm to compare with; by default the study's baseline, otherwise `none` or the arm at rate 0.
    metric : str, optional
        The metric that verdicts judge, such as `"loss"` or `"val_loss"`; by default test accuracy.
    rope : str, optional
        The largest difference that does not matter: `"0.2pp"` of accuracy, `"0.01"` of a loss, `"1%"`.
    about : str, optional
        What verdicts hold for: new `"examples"` like those tested (default), or only the `"pool"` of examples at hand.
    where : str or sequence of str
        Conditions such as `"data.n_train<=1000 and model!=cnn"`.
    rows, cols : str, optional
        Instead of a comparison: a table of the metric by the values of these keys.
    contrast, interaction, trend, optimum : str or sequence of str
        Instead of a comparison: the answers to these questions (docs/contrasts.md).
    explain : bool
        Whether every number is also explained in plain words.
    conf : path, or several
        Folders with your own options, for the commands that the report proposes.

    Returns
    -------
    Answer
        What the command would print.

    Raises
    ------
    UsageError
        For a folder without results, a filter that matches nothing, and the like: one sentence.
    """
    with call():
        from dataclasses import replace

        from dropbench.cli.report import Presentation, built, check
        from dropbench.cli.selection import Selection

        selection = Selection(
            _words(which),
            baseline,
            _several(where),
            metric,
            rope,
            about,
            rows,
            cols,
            contrasts=_several(contrast),
            interactions=_several(interaction),
            trends=_several(trend),
            optima=_several(optimum),
        )
        check(selection, Presentation(explain=explain))
        made = built(selection, own_folders(conf))
        if explain:
            from dropbench.report import explained

            made = explained(made)
        return Answer(replace(made, command=selection.command()))


@checked("filter")
def load(*which: Which, where: Texts = (), metric: str | None = None) -> pd.DataFrame:
    """Return stored runs, one row per run, like `dropbench report --runs --format csv`.

    Parameters
    ----------
    *which : path, str or mapping
        Folders and filters, as for `report`.
    where : str or sequence of str
        Conditions, as for `report`.
    metric : str, optional
        One more column, computed from the histories: `"epochs to val_accuracy=0.9"`.

    Returns
    -------
    DataFrame
        `run_id`, `arm`, `study`, `status`, `seed`, every configuration key (`dropout.rate`), all that was measured
        (`test_accuracy`, a fraction; `val_loss`, in nats), seconds, versions. `attrs["notes"]` says what was left out and why.

    Raises
    ------
    UsageError
        As `report` does.
    """
    with call():
        made = _runs(which, where, metric)
        assert made.single is not None
        table = made.single.table.copy()
        table.attrs["notes"] = list(made.notes)
        return table


@checked("filter")
def history(*which: Which, where: Texts = ()) -> pd.DataFrame:
    """Return the epochs of stored runs, one row per run and epoch.

    Parameters
    ----------
    *which, where
        As for `load`.

    Returns
    -------
    DataFrame
        `run_id`, `arm`, `seed`, `epoch`, and the columns of an epoch in docs/record.md; NaN in epochs without evaluation.
        `attrs["notes"]` says which histories could not be read.

    Raises
    ------
    UsageError
        As `report` does.
    """
    with call():
        import pandas as pd

        from dropbench.report.records.history import read

        made = _runs(which, where)
        assert made.single is not None
        parts, notes = [], list(made.notes)
        for run, arm, seed in made.single.table[["run_id", "arm", "seed"]].itertuples(index=False):
            if not (file := made.histories[run]).exists():
                continue  # a run that failed before its first epoch
            columns, fault = read(file)
            if fault is not None:
                notes.append(f"{file}: {fault}; its epochs are left out")
            elif columns:
                parts.append(pd.DataFrame({"run_id": run, "arm": arm, "seed": seed, **columns}))
        table = (
            pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["run_id", "arm", "seed", "epoch"])
        )
        table = table.astype({"epoch": int})
        table.attrs["notes"] = notes
        return table


def _runs(which: Sequence[Which], where: Texts, metric: str | None = None) -> Report:
    from dropbench.cli.report import Presentation, built, check
    from dropbench.cli.selection import Selection

    selection = Selection(_words(which), where=_several(where), metric=metric, runs=True)
    check(selection, Presentation())
    return built(selection, [])


def _words(which: Sequence[Which]) -> list[str]:
    """Return folders and filters as they are typed."""
    return [word for one in which for word in ([str(Path(one))] if isinstance(one, os.PathLike) else words([one]))]


def _several(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)
