"""What mkdocs calls to make the site out of the repository: pages from elsewhere, and links that lead to them.

The documents are written to be read where they lie, so their links are paths of the repository. README.md becomes the
first page, results/reference/ the gallery, and a notebook a page; a link is turned into the page that its file became.
"""

from __future__ import annotations

import csv
import html
import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import reference

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/LOG.md": "benchmarks/log.md",
    "docs/first_steps.ipynb": "first_steps.md",
    "results/reference": "gallery.md",
}
"""Files, and one folder, outside of docs/ or no Markdown, and the pages that they become."""

REFERENCE = "results/reference/"

FROM_ELSEWHERE = {"https://unpkg.com/iframe-worker/shim": "assets/iframe-worker.js"}
"""Scripts that the theme would fetch when a page is read, and where the site has them."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/."""
    made = {page: _text(ROOT / file) for file, page in PAGES.items() if (ROOT / file).is_file()}
    made |= {path.relative_to(ROOT).as_posix(): _text(path) for path in (ROOT / REFERENCE).rglob("*.md")}
    made |= reference.pages()
    made["gallery.md"] = _gallery()
    made["claims_table.md"] = _claims()
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for path in (ROOT / REFERENCE).rglob("*"):
        if path.suffix in (".svg", ".png", ".csv"):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for path in FROM_ELSEWHERE.values():
        files.append(File.generated(config, path, abs_src_path=str(Path(__file__).with_name(Path(path).name))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to the repository's files become links to the site's pages, and the picture of the rooms a table."""
    here = page.file.src_uri
    source = next((file for file, made in PAGES.items() if made == here), here if _outside(here) else f"docs/{here}")
    if here in ("gallery.md", "claims_table.md") or here.startswith("reference/"):
        return markdown

    def turned(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        if not target or re.match(r"\w+:", target):
            return found[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        made = PAGES.get(file, file.removeprefix("docs/"))
        if made == file and not (file.startswith(REFERENCE)):
            return found[0]
        there = posixpath.relpath(made, posixpath.dirname(here) or ".")
        return f"]({there}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\(([^)\s]+)\)", turned, _rooms(markdown))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """A page that would fetch anything from another machine is an error."""
    for address, path in FROM_ELSEWHERE.items():
        output = output.replace(address, posixpath.relpath(path, posixpath.dirname(page.file.dest_uri) or "."))
    if fetched := re.search(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"(?:https?:)?//[^\"]*", output):
        raise PluginError(f"{page.file.src_uri} would fetch {fetched[0]}")
    return output


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """404.html, which may be shown below any address, has no search instead of a script from another machine."""
    return re.sub(r"<script src=\"https://unpkg.com[^>]*></script>", "", output_content)


def _outside(path: str) -> bool:
    return path.startswith((REFERENCE, "benchmarks/"))


def _text(file: Path) -> str:
    return _notebook(file) if file.suffix == ".ipynb" else file.read_text(encoding="utf-8")


def _notebook(file: Path) -> str:
    """Cells of Markdown as they are, cells of code as blocks."""
    cells: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cells"]
    texts = [("".join(cell["source"]), cell["cell_type"]) for cell in cells]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for text, kind in texts) + "\n"


def _rooms(markdown: str) -> str:
    """A table in place of a diagram, which a browser could draw with a script of three megabytes only."""

    def table(found: re.Match[str]) -> str:
        arrows = re.findall(r"^ +(\w+) --> (.+)$", found[1], re.M)
        rows = [f"| `{a}` | {', '.join(f'`{b}`' for b in bs.split(' & '))} |" for a, bs in arrows]
        return "\n".join(["| room | may import |", "| --- | --- |", *rows])

    return re.sub(r"```mermaid\n(.*?)```", table, markdown, flags=re.S)


def _gallery() -> str:
    """Each page of results/reference/ by its title, its first sentence and its first picture."""
    lines = [
        "# Gallery",
        "",
        "Experiments that were carried out with dropbench. Each page has its tables and the commands that made them.",
        "",
        '<div class="grid cards" markdown>',
        "",
    ]
    texts = {file: file.read_text(encoding="utf-8") for file in sorted((ROOT / REFERENCE).glob("*.md"))}
    for file, text in sorted(texts.items(), key=lambda one: "![" not in one[1]):  # those with pictures first
        title = text.partition("\n")[0].removeprefix("# ")
        lines += [f"-   **[{title}]({REFERENCE}{file.name})**", ""]
        lines += [f"    {asked}", ""] if (asked := _first_sentence(text)) else []
        if picture := re.search(r"!\[([^\]]*)\]\(([^)]+\.(?:svg|png))\)", text):
            lines += [f"    [![{picture[1]}]({REFERENCE}{picture[2]})]({REFERENCE}{file.name})", ""]
    return "\n".join([*lines, "</div>", ""])


def _first_sentence(text: str) -> str:
    """The first sentence of a page, without links; empty if its first paragraphs are lists, code or tables."""
    for paragraph in text.split("\n\n")[1:3]:
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split())).removeprefix("Question: ")
        if words and words[0] not in "#`|-!*<>":
            whole = re.split(r"(?<=[?])\s+|(?<=[.])\s+(?=[A-Z`*])", words)[0]
            return whole[:1].upper() + whole[1:] if whole[-1] in ".?" else ""
    return ""


def _claims() -> str:
    """claims.csv as a table that can be searched and filtered by verdict. Without script it is a table."""
    with (ROOT / REFERENCE / "claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    verdicts = sorted({row["verdict"] for row in rows})
    chosen = "".join(f"<option>{verdict}</option>" for verdict in verdicts)
    body = [
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (row["claim"], row["says"], row["verdict"], _found(row), row["study"])
        )
        + "</tr>"
        for row in rows
    ]
    return "\n".join(
        [
            "# Claims, as a table",
            "",
            "Each row is a statement that somebody has made of dropout, and what an experiment in a stated setting found. "
            f"[The page with all columns]({REFERENCE}claims.md) says which of them were not decided blind; "
            "[Claims](claims.md) explains the verdicts.",
            "",
            '<p class="claims-choice" hidden><label>Search <input id="claims-search" type="search"></label> '
            f'<label>Verdict <select id="claims-verdict"><option value="">all</option>{chosen}</select></label> '
            '<span id="claims-count" aria-live="polite"></span></p>',
            "",
            '<table id="claims"><thead><tr><th>number</th><th>claim</th><th>verdict</th><th>found, with its 95 % interval</th>'
            "<th>study</th></tr></thead><tbody>",
            *body,
            "</tbody></table>",
            "",
            f"<script>{SCRIPT}</script>",
            "",
        ]
    )


def _found(row: dict[str, str]) -> str:
    """The number that decided a claim, with its interval; of mathematics in how many cases it holds."""
    if not row["mean"]:
        return f"{float(row['cases']):.0f} cases computed" + (f"; holds for {row['only']}" if row["only"] else "")
    scale, unit = (100, " points") if row["unit"] == "percent" else (1, f" {row['unit']}".rstrip())
    mean, low, high = (scale * float(row[key] or "nan") for key in ("mean", "low", "high"))
    return f"{mean:+.3g}{unit} ({low:+.3g} to {high:+.3g})"


SCRIPT = """
(() => {
  const [search, verdict, count] = ["search", "verdict", "count"].map((id) => document.getElementById("claims-" + id));
  const rows = [...document.querySelectorAll("#claims tbody tr")];
  const show = () => {
    const word = search.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const judged = !verdict.value || row.cells[2].textContent === verdict.value;
      const fits = judged && row.textContent.toLowerCase().includes(word);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown + " of " + rows.length;
  };
  search.addEventListener("input", show);
  verdict.addEventListener("change", show);
  document.querySelector(".claims-choice").hidden = false;
  show();
})();
"""
