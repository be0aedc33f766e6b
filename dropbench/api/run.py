"""One stored run as an object."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.data.base import Table
    from dropbench.engine.trained import TrainedModel
    from dropbench.store import Record


class Run:
    """A run that has ended, with its result and its folder. `train` returns it.

    Parameters
    ----------
    record : Record
        The stored record (docs/record.md).
    folder : Path
        The folder of the record.
    conf : sequence of Path
        The folders of options that the run's parts come from.
    network : class or function, optional
        The model, if it was given as an object.
    data : Table, optional
        The data, if a table with a graph was given as an object.
    """

    def __init__(
        self, record: Record, folder: Path, conf: list[Path], network: Any = None, data: Table | None = None
    ) -> None:
        self.record, self.folder = record, folder
        self._conf, self._network, self._data = conf, network, data

    @property
    def run_id(self) -> str:
        """The run's id: 12 hex digits that depend on its configuration, its data and its seed."""
        return self.record.run_id

    @property
    def status(self) -> str:
        """`completed`, `diverged` or `failed`; `record.reason` says why."""
        return self.record.status

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured at the chosen epoch: `test_accuracy` (a fraction), `val_loss` (nats); empty if it failed."""
        return dict(self.record.metrics)

    @property
    def config(self) -> dict[str, Any]:
        """The run's complete configuration."""
        return dict(self.record.config)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: `epoch`, losses, metrics, gaps. NaN in epochs without evaluation."""
        import pandas as pd

        from dropbench.report.records.history import columns

        file = self.folder / "history.csv"
        table = pd.DataFrame(dict(columns(file)) if file.exists() else {})
        return table.astype({"epoch": int}) if len(table) else table

    def model(self) -> TrainedModel:
        """Return the run's network with the saved weights (`train.save=best` or `last`), like `load_model`.

        Raises UsageError if the run saved no weights.
        """
        from dropbench.api.loading import load_model

        return load_model(self.folder, model=self._network, data=self._data, conf=self._conf)

    def __repr__(self) -> str:
        scores = ", ".join(f"{name}={value:.4f}" for name, value in self.metrics.items() if name.startswith("test_"))
        return f"<Run {self.run_id}: {self.status}{f', {scores}' if scores else ''}; {self.folder}>"
