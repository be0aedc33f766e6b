"""One picture: its file name, what it shows in words, and its bytes, which are the same each time."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dropbench.report.output.figures.style import COLOURS, INK, NARROW, PAPER, Figure, look
from dropbench.report.output.latex import tex

_LONGEST = 80


@dataclass(frozen=True)
class Picture:
    """A figure with its texts.

    name: file name without suffix. title: a few words. alt: describes the figure for those who cannot see it. reads: says in a
    sentence what its signs mean.
    """

    name: str
    title: str
    alt: str
    figure: Figure
    reads: str

    def svg(self) -> str:
        """Return an SVG file. Text stays text; without a date or a program's name, and with ids from the picture alone."""
        file = io.StringIO()
        with look(self.name):
            self.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Title": self.title})
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"

    def png(self, dpi: int) -> bytes:
        """Return a PNG file. dpi: pixels per inch."""
        file = io.BytesIO()
        with look():
            self.figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None, "Title": self.title})
        return file.getvalue()

    def pdf(self) -> bytes:
        """Return a PDF file with its fonts embedded, without a date and with the same bytes each time."""
        file = io.BytesIO()
        with look(self.name):
            about = {"CreationDate": None, "Creator": None, "Producer": None, "Title": self.title}
            self.figure.savefig(file, format="pdf", metadata=about)
        return file.getvalue()

    def caption(self) -> str:
        """Return, as text, the caption and a description of what the figure shows."""
        return f"{self.title}. {self.reads}\n\n{self.alt}\n"

    def latex(self) -> str:
        r"""Return a LaTeX `figure` that includes the PDF, with its caption and \label{fig:NAME}."""
        text, label = tex(f"{self.title}. {self.reads}"), re.sub(r"[^a-z0-9]+", "-", self.name.lower())
        where = "\\columnwidth" if self.figure.get_figwidth() < NARROW else "\\textwidth"
        return (
            f"\\begin{{figure}}\n  \\centering\n  \\includegraphics[width={where}]{{{{{self.name}}}.pdf}}\n"
            f"  \\caption{{{text}}}\n  \\label{{fig:{label}}}\n\\end{{figure}}\n"
        )

    def inline(self) -> str:
        """Return an <svg> element for a page, labelled by `alt`, as wide as its container, in the page's own colours.

        INK becomes the colour of text; PAPER and each of COLOURS become CSS custom properties of these names. Groups lose
        their ids, so that several pictures can be in one page.
        """
        svg = self.svg()
        svg = svg[svg.index("<svg") :]
        for part in ("metadata", "style"):
            svg = re.sub(rf"\s*<{part}.*?</{part}>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'<g id="[^"]*"', "<g", svg)
        box = re.search(r'viewBox="([^"]*)"', svg)
        assert box  # every SVG of matplotlib's has one
        label = _attribute(self.alt)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box[1]}" role="img" aria-label="{label}">'
        svg = head + svg[svg.index(">") + 1 :]
        svg = svg.replace("xlink:href", "href").replace(INK, "currentColor").replace(PAPER, "var(--paper)")
        for name, colour in COLOURS.items():
            svg = svg.replace(colour, f"var(--{name})")
        return svg


def named_apart(titles: Sequence[str], sections: Sequence[Sequence[Picture]]) -> list[list[Picture]]:
    """Give the pictures unique file names: with several sections, each name begins with its section's title."""
    taken: set[str] = set()
    named = []
    for title, pictures in zip(titles, sections, strict=True):
        stem = f"{slug(title)}." if len(titles) > 1 else ""
        while any(f"{stem}{p.name}" in taken for p in pictures):
            stem = f"{stem.removesuffix('.')}-again."
        named.append([replace(p, name=f"{stem}{p.name}") for p in pictures])
        taken |= {p.name for p in named[-1]}
    return named


def slug(text: str) -> str:
    """Turn a text into a file name: `mlp on mnist, n_train=1000` -> `mlp-on-mnist-n_train-1000`."""
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower())[:_LONGEST].strip("-.")


def _attribute(text: str) -> str:
    for raw, escaped in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(raw, escaped)
    return text
