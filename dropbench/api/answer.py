"""The answer of `sweep` and `report`: it can be read as text, as tables, as a page, and in a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest, reason

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.report.tables.report import Report
    from dropbench.store import StoredPlan

_WIDTH = 110
"""Width of the text in columns, if no terminal has a width."""
_HEIGHT = 620
"""Height of the page in a notebook, in pixels; it scrolls."""


class Answer:
    """The result of a comparison, as `dropbench report` shows it. `sweep` and `report` return it.

    `print` shows the text of the command; a notebook shows its page.

    Parameters
    ----------
    report : Report
        The report to show.
    plans : sequence of StoredPlan, optional
        The plans that the runs may belong to; by default the plans that the report knows.
    """

    def __init__(self, report: Report, plans: Sequence[StoredPlan] | None = None) -> None:
        self.report = report
        self._plans = report.plans if plans is None else plans

    @cached_property
    def headlines(self) -> list[str]:
        """Warnings to read first, then the verdict of each comparison in one or two sentences."""
        from dropbench.report.tables.answer import answers

        return [*self.report.headlines, *answers(self.report.comparisons)]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A DataFrame with one row per arm and comparison, like `--format csv`. Accuracies are fractions, losses are in nats.

        These rows are followed by one row per contrast that the study names. For a report with `rows` there is one row per
        cell of the table, and for a report with questions (`contrast` and the like) one row per answer.
        """
        from dropbench.report.output.export import rows

        return rows(self.report).copy()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per compared run: `run_id`, `arm`, `seed`, settings, everything that was measured, and seconds."""
        import pandas as pd

        from dropbench.report.records.measures import Measures
        from dropbench.report.tables.runs import runs_of

        report = self.report
        if report.single is not None:
            return report.single.table.copy()
        frames = [c.runs for c in report.comparisons] or ([] if report.runs is None else [report.runs])
        if not frames:
            return pd.DataFrame(columns=["run_id", "arm", "seed"])
        return runs_of(pd.concat(frames), Measures({}), self._plans).table

    @property
    def notes(self) -> list[str]:
        """The notes under the tables, which say how the numbers were computed."""
        from dropbench.report.output.sections import all_notes

        return [*(note for c in self.report.comparisons for note in all_notes(c)), *self.report.notes]

    @property
    def text(self) -> str:
        """The tables and notes as the command prints them, as wide as the terminal."""
        return self.as_text()

    def as_text(self, width: int | None = None) -> str:
        """Return the same text, at most `width` columns wide."""
        from shutil import get_terminal_size

        from dropbench.report import render

        return render(self.report, "rich", width or get_terminal_size((_WIDTH, 0)).columns)

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write the answer to a file in the format that the file's ending names, and return the path.

        Parameters
        ----------
        file : path
            `.html` is the page with pictures, `.md` and `.tex` are tables for a text, `.csv` and `.parquet` are `frame`,
            `.json` is all of it for a program, `.txt` is `text`.

        Raises
        ------
        UsageError
            For another ending, for a file that cannot be written, and for `.parquet` without pyarrow.
        """
        from dropbench.api.call import call
        from dropbench.report import ENDINGS, write

        path = Path(file).expanduser()
        fmt = ENDINGS.get(path.suffix.lower())
        if fmt is None:
            raise UsageError(f"{path}: the file's ending decides the format; {nearest(path.suffix, ENDINGS)}")
        try:
            with call():
                write(self.report, fmt, path)
        except OSError as error:
            raise UsageError(f"{path}: {reason(error)}; choose a file in a folder that you can write to") from None
        return path

    def figures(self, folder: str | os.PathLike[str], width: float | str | None = None) -> list[Path]:
        """Write each figure of the answer to a folder as SVG, PDF and PNG, with its caption, and return the files.

        Parameters
        ----------
        folder : path
            Created if it is not there; figures of the same names are replaced.
        width : float or {"column", "page"}, optional
            In inches, from 2 to 20. By default the width of the page in a browser.

        Returns
        -------
        list of Path
            Empty if there is nothing to draw: it takes runs with epochs, or two arms to compare.

        Raises
        ------
        UsageError
            For another width, and for a folder that cannot be written to.
        """
        from dropbench.api.call import call
        from dropbench.report import write_figures
        from dropbench.report.output.figures import width_of

        path = Path(folder).expanduser()
        try:
            with call():
                return write_figures(self.report, path, width_of(None if width is None else str(width)))
        except OSError as error:
            raise UsageError(f"{path}: {reason(error)}; choose a folder that you can write to") from None

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """Return the page inside a frame, so that its styles do not affect the rest of the notebook."""
        from dropbench.report import render

        page = html.escape(render(self.report, "html"), quote=True)
        return (
            f'<iframe srcdoc="{page}" style="width: 100%; height: {_HEIGHT}px; border: 0; background: white" '
            'title="dropbench report"></iframe>'
        )
