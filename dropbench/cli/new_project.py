"""`dropbench init`: creates a folder with a network, data and a study that run without changes."""

from __future__ import annotations

import os
import random
import shlex
from pathlib import Path

from dropbench.errors import UsageError

_TEMPLATE = Path(__file__).parent / "template"
_FILES = {
    "README.md": "README.md.txt",
    "net.py": "net.py.txt",
    "conf/study/renewal.yaml": "conf/study/renewal.yaml",
}
"""The files that are written, and the template of each. Templates end in .txt if they are not part of dropbench's code."""
_ROWS = 400
_WRONG = 0.1
"""Share of labels that are flipped, so that there is something to overfit."""
_MISSING = 0.04


def init(folder: Path) -> list[Path]:
    """Write the project into a folder that is empty or does not exist yet, and return its files.

    Raises
    ------
    UsageError
        For a folder that is not empty, a file, and a folder that cannot be written to.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} {'is not empty' if folder.is_dir() else 'is a file'}: name a folder that does not exist yet, as in "
                "dropbench init my_project"
            )
        written = []
        for name, source in (*_FILES.items(), ("customers.csv", None)):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = customers() if source is None else (_TEMPLATE / source).read_text(encoding="utf-8")
            file.write_text(text, encoding="utf-8")
            written.append(file)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name a folder that you can write to") from error
    return written


def next_steps(folder: Path) -> str:
    """Return the commands to type next."""
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(os.fspath(folder))}\n"
    return f"{there}dropbench sweep study=renewal --conf conf"


def customers() -> str:
    """Return a CSV of made-up customers, the same each time: numbers, categories, empty cells, and who renews."""
    draw = random.Random(0)
    lines = ["age,visits,minutes,plan,region,support_calls,renews"]
    for _ in range(_ROWS):
        age, visits, minutes = draw.randint(18, 75), draw.randint(0, 30), round(draw.uniform(1, 90), 1)
        plan = draw.choice(("basic", "plus", "family"))
        region = draw.choice(("north", "south", "east", "west"))
        calls = draw.randint(0, 6)
        score = 0.12 * (visits - 12) - 0.5 * (calls - 2) + (0.8 if plan == "family" else 0) + 0.02 * (minutes - 45)
        renews = (score > 0) != (draw.random() < _WRONG)
        cells = [str(age), str(visits), str(minutes), plan, region, str(calls)]
        known = ["" if draw.random() < _MISSING else cell for cell in cells]
        lines.append(",".join([*known, "yes" if renews else "no"]))
    return "\n".join(lines) + "\n"
