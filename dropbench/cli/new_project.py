"""`dropbench init`: a folder with a network, data and a study that run as they stand."""

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
"""What is written, and of what. Python that is not of dropbench ends in .txt there."""
_ROWS = 400
_WRONG = 0.1
"""Share of labels that say the opposite, so that there is something to overfit."""
_MISSING = 0.04


def init(folder: Path) -> list[Path]:
    """Writes the project into a folder that is empty or not there yet; returns its files.

    Raises
    ------
    UsageError
        For a folder with something in it, and one that cannot be written to.
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
    """What to type now."""
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(os.fspath(folder))}\n"
    return f"{there}dropbench sweep study=renewal --conf conf"


def customers() -> str:
    """A CSV of made-up customers, the same each time: numbers, categories, cells that are empty, and who renews."""
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
