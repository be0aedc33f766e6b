"""Heat map: the mean of each cell of a two-way grid, in a colour scale that also runs from dark to light in greyscale."""

from __future__ import annotations

import numpy as np

from dropbench.report.output.breaks import folded
from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.style import ACROSS, GREY, figure, look
from dropbench.report.records.frame import rows_of
from dropbench.report.tables.columns import plus_minus
from dropbench.report.tables.grids import Grid
from dropbench.values import order

MAP = "cividis"
"""Nuñez, Anderton & Renslow (2018): it looks alike with and without colour-blindness, and its lightness changes evenly."""


def draw(grid: Grid) -> Picture | None:
    """Draw a grid; None for one row or one column, which a table shows better."""
    cells = {(r["row"], r["column"]): r for r in rows_of(grid.table) if np.isfinite(r["mean"])}
    rows = list(dict.fromkeys(r for r, _ in cells))
    columns = sorted(dict.fromkeys(c for _, c in cells), key=order)
    if grid.cols is None or min(len(rows), len(columns)) < 2:
        return None
    values = np.full((len(rows), len(columns)), np.nan)
    told = []
    with look():
        drawn = figure(1.2 + 0.45 * len(rows))
        axes = drawn.subplots()
        for (row, column), cell in cells.items():
            values[rows.index(row), columns.index(column)] = cell["mean"] * grid.measure.scale
        # A mesh instead of an image, so that the SVG has vector graphics and no embedded bitmap.
        mesh = axes.pcolormesh(np.ma.masked_invalid(values), cmap=MAP, edgecolors=GREY, linewidth=0.6)
        least, most = np.nanmin(values), np.nanmax(values)
        for (row, column), cell in cells.items():
            y, x = rows.index(row), columns.index(column)
            share = (values[y, x] - least) / (most - least) if most > least else 0.0
            words = plus_minus(grid.measure.level, cell["mean"], cell["sd"])
            size = 8.5 if len(columns) <= 6 else 6.5
            colour = "#ffffff" if share < 0.45 else "#000000"
            axes.text(
                x + 0.5,
                y + 0.5,
                folded(words, 7 if len(columns) > 6 else 20),
                ha="center",
                va="center",
                color=colour,
                size=size,
            )
            told.append(f"{row}, {column}: {words}")
        axes.set_xticks(np.arange(len(columns)) + 0.5, [folded(c, 14) for c in columns])
        axes.set_yticks(np.arange(len(rows)) + 0.5, [folded(r, ACROSS) for r in rows])
        axes.set_xlabel(grid.cols)
        axes.set_ylabel(grid.rows)
        axes.invert_yaxis()
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        bar = drawn.colorbar(mesh, ax=axes, label=grid.measure.axis, pad=0.02)
        bar.outline.set_visible(False)
        if bar.solids is not None:
            bar.solids.set(rasterized=False, edgecolor="face")
    alt = f"Heat map of {grid.measure.spoken} by {grid.rows} and {grid.cols}, mean ± sd. {'; '.join(told)}."
    title = f"{grid.measure.spoken.capitalize()} by {grid.rows} and {grid.cols}"
    return Picture("heat", title, alt, drawn, "Each cell has the mean and the standard deviation over its runs.")
