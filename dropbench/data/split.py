"""Training, validation and test rows of one run: stratified, disjoint, and drawn from the run's own streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data.base import Table
from dropbench.data.part_sizes import Counts, Parts, check_classes, n_tested, sizes
from dropbench.data.raw_draws import RawDraws, below, permutation
from dropbench.data.split_whole import by_group, by_time
from dropbench.errors import UsageError


@dataclass(frozen=True)
class Split:
    """The rows of each split, and the labels for training.

    Attributes
    ----------
    train, val, test : Tensor
        Row numbers [n] int64, in random order.
    labels : Tensor
        [len(train)] int64, the labels of the training rows, some of them replaced if there is label noise. Validation and
        test keep the table's labels.
    """

    train: Tensor
    val: Tensor
    test: Tensor
    labels: Tensor


def split(
    table: Table,
    *,
    n_train: int | None,
    val_fraction: float,
    test_fraction: float,
    label_noise: float,
    split_draws: RawDraws,
    noise_draws: RawDraws,
) -> Split:
    """Splits a table. The result depends only on its labels, these numbers and the raw draws.

    Every split has each class in the table's proportion, rounded by largest remainders, and at least one example of each
    class if there are enough. It takes N raw draws for the split and 2 * len(train) for label noise, if there is any.

    Parameters
    ----------
    table : Table
        N examples of classes.
    n_train : int or None
        Number of training examples, at least one of each class; None: all that are not for validation, or all of the table's
        official training split.
    val_fraction : float
        f, the share of training and validation together that is for validation. With `n_train` training examples these are
        n_train * f / (1 - f) of the remaining examples, or all of them if there are fewer. Not used if the table has
        official validation rows, which are then all used.
    test_fraction : float
        The share of N that is for test. It is drawn first, so that neither `n_train` nor `val_fraction` changes it. Not used
        if the table has official test rows, which are then all used.
    label_noise : float
        The share of training labels that are replaced by a label drawn uniformly from all classes. So 1 in n_classes of
        these keeps its label, as in Zhang et al., "Understanding deep learning requires rethinking generalization", 2017
        (arXiv:1611.03530). Labels replaced at a smaller share are also replaced at a larger one, by the same labels.

    Raises
    ------
    UsageError
        If the table has too few rows.
    """
    draw = _drawn if table.groups is None else by_group
    draw = draw if table.times is None else by_time
    train, val, test = draw(table, n_train, val_fraction, test_fraction, split_draws)
    if table.task == "regress":
        if label_noise:
            raise UsageError(
                f"data.label_noise={label_noise:g} replaces classes, and the task of data '{table.name}' is regression; "
                "remove data.label_noise"
            )
        labels = table.y[torch.from_numpy(train)]
    else:
        labels = torch.from_numpy(_with_noise(table.y.numpy()[train], table.n_classes, label_noise, noise_draws))
    return Split(torch.from_numpy(train), torch.from_numpy(val), torch.from_numpy(test), labels)


def _drawn(
    table: Table, n_train: int | None, val_fraction: float, test_fraction: float, split_draws: RawDraws
) -> Parts:
    """Returns training, validation and test rows, each with the classes in the table's proportion."""
    y = table.strata.numpy()
    order = permutation(split_draws(len(y)))
    if table.test is None:
        counts = np.bincount(y, minlength=table.n_classes)
        n_test = n_tested(table, test_fraction)
        # A class with one example goes to training, a class with two to training and test.
        share = allocate(n_test, counts, low=counts >= 2, high=np.where(counts > 2, counts - 2, counts // 2))
        test, order = _take(order, y, share)
    else:
        test, order = _official(order, table.test)
    if table.val is None:
        n_train, n_val = sizes(table, len(order), n_train, val_fraction)
        rest = np.bincount(y[order], minlength=table.n_classes)
        share = allocate(n_train, rest, low=rest >= 1, high=np.where(rest > 1, rest - 1, rest))
        train, order = _take(order, y, share)
        left = np.bincount(y[order], minlength=table.n_classes)
        val, _ = _take(order, y, allocate(n_val, rest, low=left >= 1, high=left))
    else:
        val, order = _official(order, table.val)
        train = order if table.train is None else _official(order, table.train)[0]
        if n_train is not None:
            _check_official(table, n_train, len(train))
            rest = np.bincount(y[train], minlength=table.n_classes)
            train, _ = _take(train, y, allocate(n_train, rest, low=rest >= 1, high=rest))
    return train, val, test


def batch_sizes(n: int, size: int) -> list[int]:
    """Returns the sizes of the batches for n examples. The last one gets the remainder, and at least two if possible.

    Batch norm cannot compute the variance of a single example. So a last batch of one takes one from the batch before, if
    that keeps at least two.
    """
    lengths = [min(size, n - start) for start in range(0, n, size)]
    if lengths[-1] == 1 and size > 2 and len(lengths) > 1:
        lengths[-2:] = [size - 1, 2]
    return lengths


def allocate(n: int, weights: Counts, low: NDArray[np.bool_] | Counts, high: Counts) -> Counts:
    """Divides n among C classes in proportion to `weights`, by largest remainders; in a tie the lower class gets more.

    Parameters
    ----------
    n : int
        In 0..sum(weights).
    weights : array
        [C], the examples of each class.
    low, high : array
        [C], the smallest and the largest number that each class should get. If n is less than the sum of `low`, `low` is
        ignored; if n is more than the sum of `high`, `weights` is used in place of `high`.

    Returns
    -------
    array
        [C], with sum n.
    """
    low = low.astype(np.int64)
    if high.sum() < n:
        high = weights
    if low.sum() > n:
        low = np.zeros_like(weights)
    total = int(weights.sum())
    share = n * weights // total
    remainder = np.argsort(-(n * weights % total), kind="stable")
    share[remainder[: n - int(share.sum())]] += 1
    share = np.clip(share, low, high)
    # Clipping changes the sum. Correct it one example at a time, in the class where this changes the proportions least.
    while (off := n - int(share.sum())) != 0:
        step = 1 if off > 0 else -1
        room = share < high if step > 0 else share > low
        distance = np.where(room, (share * total - n * weights) * step, np.iinfo(np.int64).max)
        share[int(np.argmin(distance))] += step
    return share


def _take(order: Counts, y: Counts, share: Counts) -> tuple[Counts, Counts]:
    """Splits `order` into the first share[c] rows of each class c and all others; both keep the order."""
    taken = np.zeros(len(order), dtype=bool)
    for c, n in enumerate(share):
        taken[np.flatnonzero(y[order] == c)[:n]] = True
    return order[taken], order[~taken]


def _official(order: Counts, rows: Tensor) -> tuple[Counts, Counts]:
    """Splits `order` into the rows that are in `rows` and all others; both keep the order."""
    among = np.isin(order, rows.numpy())
    return order[among], order[~among]


def _check_official(table: Table, n_train: int, rest: int) -> None:
    check_classes(table, n_train)
    if n_train > rest:
        raise UsageError(
            f"data.n_train={n_train} is too many: data '{table.name}' has {rest} training examples outside its official "
            f"validation and test splits; the largest possible is data.n_train={rest}"
        )


def _with_noise(labels: Counts, n_classes: int, fraction: float, raw: RawDraws) -> Counts:
    if fraction == 0:
        return labels
    struck = permutation(raw(len(labels)))[: round(len(labels) * fraction)]
    drawn = below(raw(len(labels)), n_classes)
    labels = labels.copy()
    # A replacement is drawn for every training row, so that it is the same at every share of noise.
    labels[struck] = drawn[struck]
    return labels
