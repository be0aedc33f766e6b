"""What to type in place of a command or option that there is not, or of a value that an option does not take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from typing import Any

COMMANDS = {
    "new": "init",
    "compare": "sweep",
    "run": "train",
    "fit": "train",
    "tune": "sweep --tune",
    "resume": "runs status",
    "plot": "report --figures DIR",
    "help": "--help",
}
"""Names that people type for commands."""
_OTHER_NAMES = {"--output": "--out", "--outfile": "--out", "--minutes": "--max-minutes", "--max-minutes": "--minutes"}
"""Names that people type for options of dropbench."""
_OF_REPORTS = {
    **{f"--{ending}": f"--out report.{ending}" for ending in ("html", "csv", "md", "tex", "txt", "parquet")},
    **{f"--{word}": "--figures DIR" for word in ("pdf", "png", "svg", "plot", "plots", "figure", "fig")},
    "--markdown": "--out report.md",
    "--latex": "--out report.tex",
    "--save": "--out report.html, or --figures DIR",
}
"""What to type for options of a report that there are not."""
_OF_SETTINGS = {
    "out": "results",
    "output": "results",
    "output_dir": "results",
    "learning_rate": "lr",
    "label": "target",
}
"""Names that people type for settings."""


def explain(error: Any, args: Sequence[str]) -> None:
    """Rewrite the message of an error of click about an option, if it is known what was meant.

    Parameters
    ----------
    error : click.UsageError
        An unknown option, a wrong value, or another mistake, which stays as it is.
    args : sequence of str
        The words of the command line.
    """
    if hasattr(error, "possibilities"):
        if (typed := _instead(error.option_name, error.ctx.command.params, args)) is not None:
            error.message, error.possibilities = f"No such option: {error.option_name}; {typed}", None
    elif (
        kind := re.match(r"Input should be a valid (number|integer)", str(getattr(error, "message", "")))
    ) is not None:
        value = next((v for option in error.param.opts if (v := _value(option, args)) is not None), "it")
        point = f"; write {value.replace(',', '.')}, with a point" if re.fullmatch(r"\d+,\d+", value) else ""
        error.message = f"{value!r} is not a {'number' if kind[1] == 'number' else 'whole number'}{point}"
    elif "Input should be" in str(getattr(error, "message", "")):
        error.message = error.message.replace("Input should be", "it must be")


def _instead(option: str, params: Sequence[Any], args: Sequence[str]) -> str | None:
    """Return what to write in place of an unknown option; None if nothing is known by this name."""
    every = {name for p in params for name in p.opts}
    if (other := _OTHER_NAMES.get(option)) in every:
        return f"did you mean {other}?"
    if "--figures" in every and option in _OF_REPORTS:
        return f"write {_OF_REPORTS[option]}"
    longer = [name for name in sorted(every) if name.startswith(f"-{option}")]
    if len(option) == 2 and len(longer) == 1:
        return f"did you mean {longer[0]}?"
    takes: set[str] = {p.name for p in params} & {"overrides", "arguments"}
    value = _value(option, args)
    return _setting(option.lstrip("-").replace("-", "_"), "..." if value is None else value, takes) if takes else None


def _value(option: str, args: Sequence[str]) -> str | None:
    """Return the value that is typed for an option, as `--epochs 5` or `--epochs=5`; None if there is none."""
    for word, after in zip(args, [*args[1:], "-"], strict=True):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and not after.startswith("-"):
            return after
    return None


def _setting(name: str, value: str, takes: Collection[str]) -> str | None:
    """Return a sentence with the setting, or filter, that an option may mean; None if no key has this name."""
    from dropbench.config.options import keys_called
    from dropbench.config.own_file import own_file
    from dropbench.config.regularizers import meant
    from dropbench.config.swept import COUNTS
    from dropbench.values import number

    name = _OF_SETTINGS.get(name, name)
    if name == "results" and "arguments" in takes:  # a report takes folders by themselves
        return f"a folder needs no option: write {shlex.quote(value)}"
    if name in COUNTS:
        return f"write {shlex.quote(f'seed=range(0,{value})')}"
    if name == "data" and (own := own_file(value)) is not None:
        return f"write {own}"
    if name == "dropout" and number(value) is not None:
        name = "rate"
    if keys := keys_called(name):
        return f"settings have no dashes: write {' or '.join(shlex.quote(f'{key}={value}') for key in keys)}"
    return meant(name, value, (), ())
