"""conf/ as folders of files: the groups, the options in each, and what others call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

GROUPS = ("model", "dropout", "dropout/schedule", "data", "train", "metric", "regularizer", "study", "execute")
KEYS = (*(g for g in GROUPS if "/" not in g), "eval", "seed", "device", "results")
_OF_ONE = re.compile(r"dropout/[^/.]+/schedule")
_PACKAGE = Path(__file__).parents[1]


def conf_dir() -> Path:
    """Our own conf/: inside the package once installed, beside it in a checkout."""
    return next(d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if (d / "config.yaml").is_file())


def group_of(key: str) -> str | None:
    """The group whose option a key chooses, such as `model`, or None: `dropout/locked/schedule` chooses a schedule."""
    return "dropout/schedule" if _OF_ONE.fullmatch(key) else key if key in GROUPS else None


def options(group: str, extra: Sequence[Path] = ()) -> dict[str, Path]:
    """The options of a group and their files; names that open with `_` are parts of others. Studies may lie in folders."""
    files: dict[str, Path] = {}
    for folder in (*extra, conf_dir()):
        for file in sorted((folder / group).glob("**/*.yaml" if group == "study" else "*.yaml")):
            if not file.stem.startswith("_"):
                files.setdefault(file.relative_to(folder / group).with_suffix("").as_posix(), file)
    return dict(sorted(files.items()))


def text_of(file: Path) -> str:
    """What is in an option's file, to be looked through: what is no UTF-8 in it is told where the option is chosen."""
    return file.read_text(encoding="utf-8", errors="replace")


def called(group: str, name: str, extra: Sequence[Path] = ()) -> list[str]:
    """The options that others call `name`: those whose file says so in a line `# also called: drop_path, droppath`."""
    names = []
    for option, file in options(group, extra).items():
        line = next(
            (t for t in text_of(file).splitlines() if t.startswith("# also called: ")),
            "",
        )
        if _bare(name) in (_bare(word) for word in line.partition(": ")[2].split(",")):
            names.append(option)
    return names


def _bare(name: str) -> str:
    """DropPath, drop_path and drop-path are one name."""
    return re.sub("[^a-z0-9]", "", name.lower())
