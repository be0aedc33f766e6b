"""Columns of a table, which regularizers cut out or replace."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.regularizers.base import Given


def chosen(u: Tensor, share: Tensor, given: Given) -> tuple[Tensor, Tensor]:
    """Draws a share of a table's columns without replacement and returns their inputs and the share after rounding.

    All inputs of a column stay together: all levels of a category, and a number with the flag that marks missing values.

    Parameters
    ----------
    u : Tensor
        [K, n, columns], uniform; the columns with the lowest numbers are chosen.
    share : Tensor
        [K, n] in [0, 1], rounded to whole columns.
    given : Given
        Says which inputs belong to which column.

    Returns
    -------
    tuple of Tensor
        Inputs, bool [K, n, F], and the share after rounding, float32 [K, n].
    """
    columns = u.shape[-1]
    count = (share * columns).round()
    picked = u.argsort(stable=True, dim=-1).argsort(-1) < count[..., None]
    return picked[..., torch.tensor(given.columns, device=u.device)], (count / columns).float()


def columns_of(given: Given) -> int:
    """Returns the number of columns of a table, or 0 if the data are not a table."""
    return max(given.columns, default=-1) + 1


def uncut(given: Given) -> str | None:
    """Returns why nothing can be cut out of an example, as the end of a sentence, or None if something can."""
    if given.image or given.columns:
        return None
    return "cuts boxes out of images or columns out of tables, and these data are neither"
