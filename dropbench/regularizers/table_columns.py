"""Columns of a table, as parts of an example that are cut out or replaced."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.regularizers.base import Given


def chosen(u: Tensor, share: Tensor, given: Given) -> tuple[Tensor, Tensor]:
    """Which inputs belong to so many columns of a table, drawn without replacement; and what share of the columns that is.

    All inputs of a column go together: those of a category's levels, and a number with the flag that says where it is missing.

    Parameters
    ----------
    u : Tensor
        [K, n, columns], uniform: the columns with the lowest are chosen.
    share : Tensor
        [K, n] in [0, 1], rounded to whole columns.
    given : Given
        Tells which inputs a column has.

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
    """How many columns a table has; 0 of what is none."""
    return max(given.columns, default=-1) + 1


def uncut(given: Given) -> str | None:
    """Why nothing can be cut out of an example, as the end of a sentence, or None."""
    if given.image or given.columns:
        return None
    return "cuts boxes out of images or columns out of tables, and these are neither"
