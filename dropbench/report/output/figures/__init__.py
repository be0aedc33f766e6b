"""A Report's pictures: those that the records have data for, drawn, and written as SVG, PDF and PNG.

Importing this package loads nothing heavy: matplotlib is imported with the first picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError
from dropbench.values import number

if TYPE_CHECKING:
    from dropbench.report.output.figures.picture import Picture
    from dropbench.report.tables.report import Report

__all__ = ["DPI", "WIDTHS", "draw", "width_of", "write_figures"]

DPI = 300
WIDTHS = {"column": 3.4, "page": 6.9}
"""The widths in inches of a column and of a whole page in most journals."""


def width_of(typed: str | None) -> float | None:
    """Return a typed width (`column`, `page` or inches) in inches; None, the width of the page in a browser, stays None.

    Raises UsageError for anything else, and for less than 2 or more than 20 inches.
    """
    if typed is None or typed in WIDTHS:
        return WIDTHS[typed] if typed else None
    inches = number(typed)
    if inches is None or not 2 <= inches <= 20:
        raise UsageError(
            f"--figure-width {typed}: write column, page, or a width in inches between 2 and 20, such as 5.5"
        )
    return inches


def draw(report: Report, width: float | None = None) -> list[list[Picture]]:
    """Draw the pictures of each section of the report, in its order: comparisons, then grids.

    width: in inches; None for a page in a browser. Names are unique and say what is shown; with several sections each begins
    with its section's title.
    """
    from dropbench.report.output.figures import curves, forest, heat, pairs, rates, reliability
    from dropbench.report.output.figures.picture import named_apart
    from dropbench.report.output.figures.style import WIDTH, wide

    with wide(width or WIDTH):
        pictures: list[list[Picture]] = []
        for comparison in report.comparisons:
            drawn = [
                forest.draw(comparison),
                *forest.draw_parts(comparison),
                pairs.draw(comparison),
                *rates.draw(comparison),
            ]
            drawn += [*curves.draw(comparison, report.histories), reliability.draw(comparison)]
            pictures.append([p for p in drawn if p])
        pictures += [[p for p in [heat.draw(grid)] if p] for grid in report.grids]
        titles = [*(c.title for c in report.comparisons), *(g.title for g in report.grids)]
    return named_apart(titles, pictures)


def write_figures(report: Report, folder: Path, width: float | None = None) -> list[Path]:
    """Write each picture as NAME.svg, .pdf and .png, and its caption as NAME.txt and .tex. Return the files.

    The folder is created, and files of the same names are replaced. width: as in `draw`. Raises OSError if writing fails.
    """
    pictures = [picture for section in draw(report, width) for picture in section]
    if not pictures:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for picture in pictures:
        drawn = {"svg": picture.svg().encode(), "pdf": picture.pdf(), "png": picture.png(DPI)}
        captions = {"txt": picture.caption().encode(), "tex": picture.latex().encode()}
        for suffix, content in (drawn | captions).items():
            file = folder / f"{picture.name}.{suffix}"
            file.write_bytes(content)
            files.append(file)
    return files
