"""What a report asks of the predictions of very many runs, in few bytes: of each example whether it was right, and its loss."""

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
"""Examples of which it is kept: what more of them say is read from the run's folder when it is asked for."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run said of its test examples.

    Attributes
    ----------
    total : int
        Rows of the data set.
    rows : bytes
        A bit for each of them: whether it was tested.
    right : bytes or None
        Of a classifier a bit for each that was, in order: whether the class was right.
    loss : bytes or None
        The loss of each, in nats or as the mean of squares, as float16, little-endian; None where that is not known.
    """

    total: int
    rows: bytes
    right: bytes | None
    loss: bytes | None

    @property
    def is_short(self) -> bool:
        """Whether it is of few examples."""
        return self.tested <= MOST

    @property
    def tested(self) -> int:
        """How many examples."""
        return int.from_bytes(self.rows, "big").bit_count()

    def dumped(self) -> list[Any]:
        """For JSON, all but the rows."""
        return [
            self.total,
            *(None if one is None else base64.b64encode(one).decode() for one in (self.right, self.loss)),
        ]


def loaded(dumped: Sequence[Any], rows: str) -> Told:
    """From what `Told.dumped` and `rows_in_text` gave. Raises ValueError or TypeError for anything else."""
    total, *both = dumped
    right, loss = (None if one is None else base64.b64decode(one) for one in both)
    return Told(total, base64.b64decode(rows), right, loss)


def rows_in_text(told: Told) -> str:
    """The rows, which are the same in every arm, for JSON."""
    return base64.b64encode(told.rows).decode()


def told_in(folder: Path) -> Told | None:
    """What a run said, from its folder; None where its predictions were not kept. Raises Damaged."""
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
    """[n] which rows were tested, ascending."""
    import numpy as np

    return np.flatnonzero(_bits(told.rows, told.total))


def scores_of(told: Told, metric: str) -> NDArray[Any] | None:
    """[n] of `accuracy` (bool) or `loss` (float16) one an example; None of another metric, and where that is not known."""
    import numpy as np

    if metric == "accuracy" and told.right is not None:
        return _bits(told.right, told.tested)
    if metric == "loss" and told.loss is not None:
        return np.frombuffer(told.loss, dtype="<f2")
    return None


def _bits(packed: bytes, n: int) -> NDArray[np.bool_]:
    import numpy as np

    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n).astype(bool)
