"""A Report's pictures: which of them the records have what it takes for, drawn, and written as SVG and PNG.

Importing this loads nothing: matplotlib comes in with the first picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropbench.report.output.figures.picture import Picture
    from dropbench.report.tables.report import Report

__all__ = ["DPI", "draw", "write_figures"]

DPI = 160


def draw(report: Report) -> list[list[Picture]]:
    """The pictures of each section of the report, in its order: comparisons, then grids.

    Names are unique and made of what is shown; with several sections each begins with its section's title.
    """
    from dropbench.report.output.figures import curves, forest, heat, pairs, rates, reliability
    from dropbench.report.output.figures.picture import named_apart

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


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Writes each picture as NAME.svg and NAME.png and returns the files. The folder is made; files of these names replaced.

    Raises OSError where that cannot be.
    """
    pictures = [picture for section in draw(report) for picture in section]
    if not pictures:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for picture in pictures:
        for suffix, content in (("svg", picture.svg().encode()), ("png", picture.png(DPI))):
            file = folder / f"{picture.name}.{suffix}"
            file.write_bytes(content)
            files.append(file)
    return files
