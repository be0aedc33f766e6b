"""`dropbench list` prints the options that exist, one per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dropbench.cli.console import Shown
from dropbench.errors import UsageError, nearest

_SECTIONS = {
    "variants": "dropout",
    "recipes": "dropout/recipe",
    "schedules": "dropout/schedule",
    "regularizers": "regularizer",
    "models": "model",
    "training": "train",
    "data": "data",
    "studies": "study",
    "metrics": "metric",
}
"""The sections by name, and the group of conf/ that each shows."""
SECTIONS = (*_SECTIONS, "sites", "columns")

_OF_TRAINING = {
    "train.weight_decay": "Weights shrink at each update; train.decay_exempt leaves parameters out (Loshchilov & Hutter 2019)",
    "train.label_smoothing": "A share of each target is spread over all classes (Szegedy et al. 2016)",
    "train.max_norm": "A limit to the length of each unit's incoming weights (Srebro & Shraibman 2005)",
    "train.grad_clip": "A limit to the length of the gradient (Pascanu et al. 2013)",
    "train.patience": "Early stopping: ends so many epochs after the best on validation data (Prechelt 1998)",
    "train.augment": "Shifts, flips, rotations and erasures of training images: crop, flip, rotation, erase",
}
"""The training keys that are regularizers, with what each does."""


def list_options(
    section: str | None, overrides: Sequence[str], conf: Sequence[Path], *, as_json: bool, quiet: bool
) -> int:
    """Print the options of one section, or of all sections for None, with each file's first line. Return the exit code, 0.

    The section of sites shows those of the model and data that `overrides` choose. Raises UsageError for an unknown section.
    """
    from dropbench.config.options import options

    if section == "sites":
        from dropbench.cli.sites import list_sites

        return list_sites(overrides, conf, as_json=as_json, quiet=quiet)
    if overrides:
        raise UsageError(f"list {section} takes no settings such as {overrides[0]}; `dropbench list sites` does")
    if section is not None and section not in _SECTIONS:
        raise UsageError(f"list {section}: there is no such section; {nearest(section, SECTIONS)}")
    folders = [folder.resolve() for folder in conf]
    headlines = {
        name: {option: _headline(file) for option, file in options(group, folders).items()}
        for name, group in _SECTIONS.items()
        if section in (None, name)
    }
    shown = Shown(quiet, as_json)
    if as_json:
        shown.json(headlines)
    else:
        if "regularizers" in headlines:  # not options of the group, so JSON leaves them out
            headlines["regularizers"] |= _OF_TRAINING
        shown.options(headlines)
    return 0


def list_columns(overrides: Sequence[str], conf: Sequence[Path], *, as_json: bool) -> int:
    """Print how each column of a user's table is interpreted. Return the exit code, 0.

    Raises UsageError for a file that is not a table, and for overrides that choose data without columns.
    """
    from dropbench.config.compose import composer
    from dropbench.data.tabular.load import described
    from dropbench.planning.plan import compose_one

    chosen = any(text.startswith("data=") for text in overrides)
    with composer(conf) as composing:
        composed = compose_one([*([] if chosen else ["data=csv"]), *overrides], composing)
    spec, root = composed.spec.data, composed.settings.data_root or Path("data")
    if "numeric" not in spec.options:
        raise UsageError(f"data={spec.name} has no columns to show; type data.path=my.csv")
    columns = described(root, spec.options)
    left_out = {**dict.fromkeys(spec.options["drop"], "dropped")}
    left_out |= {str(spec.options[role]): role for role in ("group", "weight", "target") if spec.options[role]}
    rows = [
        {
            "column": c.name,
            "kind": c.kind,
            "use": left_out.get(c.name, "input" if c.used else "not used"),
            "missing": c.missing,
            "values": len(c.levels) or None,
            "why": c.told if c.name not in left_out else "",
        }
        for c in columns
    ]
    shown = Shown(False, as_json)
    if as_json:
        shown.json(rows)
    else:
        shown.rows(rows)
    return 0


def _headline(file: Path) -> str:
    """Return an option's line, which is the comment at the top of its file."""
    first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
