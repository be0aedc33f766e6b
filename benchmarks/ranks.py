"""Draws mean ranks over tables as a critical-difference diagram (Demšar 2006, JMLR 7:1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def draw(ranks: Mapping[str, float], critical: float, n: int, file: Path) -> None:
    """Write an SVG with a dot per arm at its mean rank, best first, and a bar of the critical difference from the best.

    ranks: mean rank by arm, 1 is best. critical: the smallest significant difference (Nemenyi, .05). n: the number of tables.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "ranks", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as plt

    order = sorted(ranks, key=lambda arm: ranks[arm])
    figure, axes = plt.subplots(figsize=(6.5, 0.28 * len(order) + 1.1))
    places = range(len(order))
    best = ranks[order[0]]
    axes.axvspan(best, best + critical, color="0.9", lw=0)
    axes.plot([ranks[a] for a in order], places, "o", color="#0072b2")
    for place, arm in zip(places, order, strict=True):
        axes.text(ranks[arm], place - 0.18, f"{ranks[arm]:.1f}", ha="center", va="bottom", fontsize=7, color="0.3")
    axes.set_yticks(list(places), order)
    axes.invert_yaxis()
    axes.set_xlim(0.5, len(order) + 0.5)
    axes.set_xlabel(f"mean rank over {n} tables; grey: not told apart from the best (Nemenyi, .05)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
