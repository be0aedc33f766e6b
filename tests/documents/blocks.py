"""Extracts the blocks of code in the documents, and the commands within sentences.

A block that cannot be run has a comment on the line before it that says why; a command in a sentence has it directly before:

    <!-- not run: it installs packages -->
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z")
TYPED = re.compile(r"`((?:dropbench|python|make|pip) [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A block of code, or a command in a sentence, whose language is `inline`."""

    document: str
    line: int
    language: str
    text: str
    not_run: str | None = None

    @property
    def name(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the block shows, if its first line is a comment that names one: `# mine/net.py`."""
        first = self.text.partition("\n")[0]
        found = re.match(r"# ([\w./]+\.(?:py|yaml))\b", first)
        return found[1] if found and "/" in found[1] else None

    @property
    def body(self) -> str:
        """The contents of that file."""
        return self.text.partition("\n")[2] if self.file else self.text


def blocks(document: Path) -> list[Block]:
    """Return every block and every command of a document, in order."""
    text = document.read_text(encoding="utf-8")
    name = document.relative_to(ROOT).as_posix()
    found: list[Block] = []
    for match in FENCE.finditer(text):
        indent = match["indent"]
        body = re.sub(rf"^{indent}", "", match["text"], flags=re.M) if indent else match["text"]
        reason = NOT_RUN.search(text[: match.start()])
        found.append(Block(name, line_of(text, match.start()), match["language"], body, reason and reason[1]))
    rest = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    for match in TYPED.finditer(rest):
        reason = NOT_RUN.search(rest[: match.start()])
        found.append(
            Block(name, line_of(text, match.start()), "inline", " ".join(match[1].split()), reason and reason[1])
        )
    return sorted(found, key=lambda block: block.line)


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a block, without comments."""
    if block.language == "inline":
        return [shlex.split(block.text)]
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def elided(words: list[str]) -> bool:
    """Return whether a command has a placeholder: `...`, or a word in capitals such as NAME."""
    return any("..." in word or re.search(r"(?:^|[=/ ])[A-Z]{2,}$", word) for word in words)
