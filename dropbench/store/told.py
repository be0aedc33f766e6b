"""A compact form of a run's predictions, for reports on very many runs: whether each example was right, and its loss."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 1 << 10
"""Largest number of test examples for which this is kept in the index. With more, it is read from the run's folder."""


@dataclass(frozen=True, slots=True)
class Told:
    """A run's result for each of its test examples.

    Attributes
    ----------
    total : int
        Number of rows of the data set.
    rows : bytes
        A bit for each row of the data set: whether it was tested.
    right : bytes or None
        For a classifier, a bit for each tested row, in order: whether the predicted class was right.
    loss : bytes or None
        The loss of each tested row, in nats or as a mean squared error, as little-endian float16; None if it is unknown.
    """

    total: int
    rows: bytes
    right: bytes | None
    loss: bytes | None

    @property
    def is_short(self) -> bool:
        """Whether the test examples are few enough to be kept in the index."""
        return self.tested <= MOST

    @property
    def tested(self) -> int:
        """The number of tested examples."""
        return int.from_bytes(self.rows, "big").bit_count()

    def dumped(self) -> list[Any]:
        """Returns all fields except the rows, for JSON."""
        return [
            self.total,
            *(None if one is None else base64.b64encode(one).decode() for one in (self.right, self.loss)),
        ]


def loaded(dumped: Sequence[Any], rows: str) -> Told:
    """Returns the object from what `Told.dumped` and `rows_in_text` returned. Raises ValueError or TypeError otherwise."""
    total, *both = dumped
    right, loss = (None if one is None else base64.b64decode(one) for one in both)
    return Told(total, base64.b64decode(rows), right, loss)


def rows_in_text(told: Told) -> str:
    """Returns the rows for JSON. They are stored separately, because they are the same in every arm."""
    return base64.b64encode(told.rows).decode()


def told_in(folder: Path) -> Told | None:
    """Reads a run's results for its test examples from its folder; None if predictions were not kept. Raises Damaged."""
    import numpy as np

    from dropbench.store.predictions import read_predictions

    said = read_predictions(folder)
    if said is None:
        return None
    tested = np.zeros(said.total, dtype=bool)
    tested[said.rows] = True
    loss = said.loss
    if said.log_probabilities is not None and said.classes is not None:
        loss = -said.log_probabilities[np.arange(len(said.rows)), said.classes]
    right = None if said.right is None else np.packbits(said.right).tobytes()
    return Told(
        said.total, np.packbits(tested).tobytes(), right, None if loss is None else loss.astype("<f2").tobytes()
    )


def rows_of(told: Told) -> NDArray[np.int64]:
    """Returns the numbers of the tested rows [n], ascending."""
    import numpy as np

    return np.flatnonzero(_bits(told.rows, told.total))


def scores_of(told: Told, metric: str) -> NDArray[Any] | None:
    """Returns each example's `accuracy` (bool) or `loss` (float16), [n]; None for another metric or if it is unknown."""
    import numpy as np

    if metric == "accuracy" and told.right is not None:
        return _bits(told.right, told.tested)
    if metric == "loss" and told.loss is not None:
        return np.frombuffer(told.loss, dtype="<f2")
    return None


def _bits(packed: bytes, n: int) -> NDArray[np.bool_]:
    import numpy as np

    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n).astype(bool)
