"""How long runs were trained, in words: what was asked for, and where they stopped before that."""

from __future__ import annotations

import pandas as pd

from dropbench.values import count, number, written

EPOCHS, PATIENCE = "train.epochs", "train.patience"


def trained_for(runs: pd.DataFrame) -> str:
    """Return the length of training: `50 epochs`, or `at most 200 epochs, stopped early after 44 to 100`.

    Parameters
    ----------
    runs : DataFrame
        One row per run, with its settings, `status` and `epochs_run`. Runs that did not complete are not counted.

    Returns
    -------
    str
        Empty if the runs do not all have the same number of epochs, or are as long as a number of updates.
    """
    asked = {written(v): v for v in runs[EPOCHS].tolist()} if EPOCHS in runs else {}
    most = number(next(iter(asked.values()))) if len(asked) == 1 else None
    if most is None or most != most:
        return ""
    whole = count(round(most), "epoch")
    ran = sorted(int(n) for n in runs.loc[runs["status"] == "completed", "epochs_run"].tolist())
    early = [n for n in ran if n < most]
    if not early:
        return whole
    span = f"{early[0]} to {early[-1]}" if early[0] < early[-1] else str(early[0])
    how = "stopped early" if _stops(runs) else "ended"
    if len(early) < len(ran):
        return f"at most {whole}, {len(early)} of {count(len(ran), 'run')} {how} after {span}"
    return f"at most {whole}, {how} after {span}"


def _stops(runs: pd.DataFrame) -> bool:
    return PATIENCE in runs and any((number(v) or 0) > 0 for v in runs[PATIENCE].tolist())
