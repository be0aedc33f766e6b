"""The groups of options in conf/ and the user's folders, the files of their options, and other names for options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

GROUPS = ("model", "dropout", "dropout/schedule", "data", "train", "metric", "regularizer", "study", "execute")
KEYS = (*(g for g in GROUPS if "/" not in g), "eval", "seed", "device", "results")
_OF_ONE = re.compile(r"dropout/[^/.]+/schedule")
_PACKAGE = Path(__file__).parents[1]


_SEARCHED = ("train", "dropout", "data", "model", "execute")
"""The groups in which `keys_called` looks for a key, in this order."""


def conf_dir() -> Path:
    """Returns dropbench's own conf/, which is inside the package once installed, and next to it in a checkout."""
    return next(d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if (d / "config.yaml").is_file())


def group_of(key: str) -> str | None:
    """Returns the group of which a key chooses an option, or None; for `dropout/locked/schedule` it is `dropout/schedule`."""
    return "dropout/schedule" if _OF_ONE.fullmatch(key) else key if key in GROUPS else None


def options(group: str, extra: Sequence[Path] = ()) -> dict[str, Path]:
    """Returns the options of a group and their files. Files whose names begin with `_` are not options but parts of others.

    Studies may also be in subfolders.
    """
    files: dict[str, Path] = {}
    for folder in (*extra, conf_dir()):
        for file in sorted((folder / group).glob("**/*.yaml" if group == "study" else "*.yaml")):
            if not file.stem.startswith("_"):
                files.setdefault(file.relative_to(folder / group).with_suffix("").as_posix(), file)
    return dict(sorted(files.items()))


def text_of(file: Path) -> str:
    """Returns the text of an option's file for searching. Invalid UTF-8 is replaced; choosing the option reports it."""
    return file.read_text(encoding="utf-8", errors="replace")


def keys_called(name: str) -> list[str]:
    """Returns the whole keys of settings with this last part: `train.epochs` for `epochs`; the name itself if it is a key."""
    if name in KEYS:
        return [name]
    line = re.compile(rf"^{re.escape(name)}:", re.MULTILINE)
    return [
        f"{group}.{name}"
        for group in _SEARCHED
        if any(line.search(text_of(file)) for file in (conf_dir() / group).glob("*.yaml"))
    ]


def called(group: str, name: str, extra: Sequence[Path] = ()) -> list[str]:
    """Returns the options for which `name` is another name, by a line `# also called: drop_path, droppath` in their files.

    Also those that are called so except for capitals, signs and their folder: `None`, `three-arm`.
    """
    names = []
    for option, file in options(group, extra).items():
        line = next(
            (t for t in text_of(file).splitlines() if t.startswith("# also called: ")),
            "",
        )
        if _bare(name) in map(_bare, (option.rpartition("/")[2], *line.partition(": ")[2].split(","))):
            names.append(option)
    return names


def _bare(name: str) -> str:
    """Normalises a name, so that DropPath, drop_path and drop-path are equal."""
    return re.sub("[^a-z0-9]", "", name.lower())
