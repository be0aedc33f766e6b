"""`report`, `load` and `history`: what is stored, compared or as tables for an analysis of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.api.answer import Answer
from dropbench.api.call import call
from dropbench.api.overrides import Folders, words
from dropbench.config.paths import own_folders

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.report.tables.report import Report

Which = str | os.PathLike[str] | Mapping[str, Any]
"""A folder of results or of a run, or a filter: `"model=cnn"`, or `{"dropout.rate": 0.5}`."""
Texts = str | Sequence[str]


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
    """Compares what is stored, as `dropbench report` does. Nothing is trained.

    Parameters
    ----------
    *which : path, str or mapping
        Folders of results (`"results"` where none is named) and filters: `"study=three_arm"`, `{"dropout.rate": 0.5}`.
    baseline : str, optional
        The arm to compare with; the study's unless it is given, else `none` or the one at rate 0.
    metric : str, optional
        What verdicts are about: `"loss"`, `"val_loss"`; test accuracy unless it is given.
    rope : str, optional
        No difference that matters: `"0.2pp"` of accuracy, `"0.01"` of a loss, `"1%"`.
    about : str, optional
        `"examples"` like those tested, which it is unless it is given, or the `"pool"` of just these.
    where : str or sequence of str
        Conditions such as `"data.n_train<=1000 and model!=cnn"`.
    rows, cols : str, optional
        In place of a comparison the metric by the values of these keys.
    contrast, interaction, trend, optimum : str or sequence of str
        In place of it the answers to these questions: docs/contrasts.md.
    explain : bool
        Whether every number is said in plain words too.
    conf : path, or several
        Folders of options of your own, for the commands that it proposes.

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


def load(*which: Which, where: Texts = (), metric: str | None = None) -> pd.DataFrame:
    """Runs that are stored, a row each, as `dropbench report --runs --format csv` has them.

    Parameters
    ----------
    *which : path, str or mapping
        Folders and filters, as of `report`.
    where : str or sequence of str
        Conditions, as of `report`.
    metric : str, optional
        Of histories, as one column more: `"epochs to val_accuracy=0.9"`.

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


def history(*which: Which, where: Texts = ()) -> pd.DataFrame:
    """The epochs of runs that are stored, a row each.

    Parameters
    ----------
    *which, where
        As of `load`.

    Returns
    -------
    DataFrame
        `run_id`, `arm`, `seed`, `epoch`, and what docs/record.md says of an epoch; NaN where one was not evaluated.
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
    """Folders and filters as one types them."""
    return [word for one in which for word in ([str(Path(one))] if isinstance(one, os.PathLike) else words([one]))]


def _several(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)
