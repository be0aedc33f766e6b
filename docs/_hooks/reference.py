"""The reference pages of the site, as the program itself states them: its commands, its YAML files, its docstrings.

Nothing here is written by hand, so a page cannot be older than the program. `mkdocs build` calls `pages()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import typer.main
import yaml

from dropbench.cli.app import app
from dropbench.cli.listing import _OF_TRAINING, _SECTIONS
from dropbench.config.options import conf_dir, options

GROUPS = {
    "variants": ("Dropout variants", "dropout"),
    "schedules": ("Schedules of the rate", "dropout/schedule"),
    "recipes": ("Recipes", "dropout/recipe"),
    "regularizers": ("Other regularizers", "regularizer"),
    "models": ("Models", "model"),
    "training": ("Training", "train"),
    "data": ("Data sets", "data"),
    "metrics": ("Metrics", "metric"),
    "studies": ("Studies", "study"),
    "execute": ("Execution", "execute"),
}
"""What `dropbench list` shows, and `execute`: the page's title and the folder of conf/."""

LEADS = {
    "variants": "A variant is one way to inject noise. `dropout=NAME` chooses one; several go together in a list "
    "([Several variants in one arm](../dropout.md)).",
    "schedules": "How the rate changes in training: `dropout/schedule=NAME`, and its options as `dropout.schedule.KEY`.",
    "recipes": "A recipe is a name for a list of variants with their rates and sites: `dropout=NAME`.",
    "regularizers": "`regularizer=[NAME]` adds one beside dropout ([how several go together](../regularizers.md)).",
    "models": "`model=NAME` chooses the network, `model.KEY` sets its options.",
    "training": "`train.KEY` sets how the network is trained; `train=NAME` chooses a set of such settings.",
    "data": "`data=NAME` chooses the data set, `data.KEY` sets its options ([Your own data](../data.md)).",
    "metrics": "`metric=[NAME,NAME]` chooses what is measured ([Metrics](../metrics.md) explains how to choose).",
    "studies": "A study is a question with a name: `dropbench sweep study=NAME` trains its arms.",
    "execute": "Where and how runs are trained. No key of this page changes a number or a run's id.",
}


@dataclass(frozen=True)
class Key:
    """One key of a YAML file, what it is by default, and the comment beside it."""

    name: str
    default: str
    comment: str


def pages() -> dict[str, str]:
    """The pages by their path in the site, as Markdown."""
    assert set(GROUPS) - {"execute"} == set(_SECTIONS)
    found = {f"reference/{name}.md": group_page(name) for name in GROUPS}
    return {"reference/commands.md": commands_page(), "reference/keys.md": keys_page(), **found}


def commands_page() -> str:
    """Every command with its help, arguments and options."""
    root = typer.main.get_command(app)
    lines = ["# Commands", "", "Each command also shows this with `--help`.", ""]
    for path, command in _commands(root, ["dropbench"]):
        lines += [f"## `{' '.join(path)}`", "", _help(command), ""]
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            lines += ["| argument or option | meaning |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def keys_page() -> str:
    """The keys that are in conf/config.yaml itself, and where the others are."""
    lines = [
        "# Every key",
        "",
        "`dropbench train --cfg` prints all keys of a run with their values. The keys of a group are on the group's page; "
        "these belong to none:",
        "",
        *_table([key for key in keys_of(conf_dir() / "config.yaml") if not key.name.startswith("defaults")], ""),
        "",
        "| group | chosen by | keys |",
        "| --- | --- | --- |",
    ]
    for name, (title, group) in GROUPS.items():
        if name == "recipes":
            continue
        names = dict.fromkeys(
            f"`{key.name}`" for file in options(group).values() for key in keys_of(file) if not key.name.startswith("_")
        )
        shown = ", ".join(names) if name not in ("metrics", "regularizers", "studies") else "see the page"
        lines.append(f"| [{title}]({name}.md) | `{group}=` | {shown} |")
    return "\n".join([*lines, ""])


def group_page(name: str) -> str:
    """The options of a group: for each its first line, its paper, its keys, and what its docstring says."""
    title, group = GROUPS[name]
    lines = [f"# {title}", "", LEADS[name], ""]
    files = options(group)
    lines += ["| name | what it is |", "| --- | --- |"]
    lines += [f"| [`{option}`](#{_anchor(option)}) | {_cell(headline(file))} |" for option, file in files.items()]
    if name == "regularizers":
        lines += [
            "",
            "Some regularizers are keys of [training](training.md):",
            "",
            "| key | what it is |",
            "| --- | --- |",
        ]
        lines += [f"| `{key}` | {_cell(_linked(said))} |" for key, said in _OF_TRAINING.items()]
    for option, file in files.items():
        lines += ["", f"## `{option}` {{ #{_anchor(option)} }}", "", headline(file), ""]
        if name in ("studies", "recipes"):
            lines += ["```yaml", file.read_text(encoding="utf-8").rstrip(), "```"]
            continue
        keys = [key for key in keys_of(file) if not key.name.rpartition(".")[2].startswith("_")]
        prefix = {"dropout/schedule": "dropout.schedule", "metric": "metric", "regularizer": "regularizer"}.get(
            group, group
        )
        lines += _table([key for key in keys if key.name.rpartition(".")[2] != "name"], prefix)
        if target := target_of(file):
            lines += ["", f"::: {target}", "    options: {heading_level: 3, members: false}"]
    return "\n".join([*lines, ""])


def headline(file: Path) -> str:
    """The comment that opens an option's file, its papers linked."""
    return _linked(file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip())


def target_of(file: Path) -> str | None:
    """The class or function that an option's file names, if it is one of ours."""
    found = re.search(r"^\s*_target_: (dropbench\.[\w.]+)", file.read_text(encoding="utf-8"), re.M)
    return found[1] if found else None


def keys_of(file: Path) -> list[Key]:
    """The keys of a YAML file with their comments; of the files beside it that its `defaults` name, those too."""
    text = file.read_text(encoding="utf-8")
    found: dict[str, Key] = {}
    inherited = (yaml.safe_load(text) or {}).get("defaults", []) if isinstance(yaml.safe_load(text), dict) else []
    for name in inherited:
        beside = file.parent / f"{name}.yaml"
        if isinstance(name, str) and name != "_self_" and beside.is_file():
            found |= {key.name: key for key in keys_of(beside)}
    parents: list[tuple[int, str]] = []
    for line in text.splitlines():
        if not (parsed := re.match(r"( *)([\w\"*]+):(?: (.*?))?(?:\s+# (.*))?$", line)):
            continue
        indent, name, value, comment = len(parsed[1]), parsed[2], parsed[3] or "", parsed[4] or ""
        if value.startswith("# "):
            value, comment = "", value[2:]
        parents = [(at, parent) for at, parent in parents if at < indent]
        path = ".".join([*(parent for _, parent in parents), name])
        if name != "defaults":
            found[path] = Key(path, value, comment)
        parents.append((indent, name))
    below = {key.rpartition(".")[0] for key in found}
    return [key for key in found.values() if key.name not in below or key.default]


def _table(keys: list[Key], prefix: str) -> list[str]:
    if not keys:
        return ["It has no options."]
    lead = f"{prefix}." if prefix else ""
    rows = [f"| `{lead}{key.name}` | {_code(key.default)} | {_cell(_linked(key.comment))} |" for key in keys]
    return ["| key | default | meaning |", "| --- | --- | --- |", *rows]


def _commands(command: click.Command, path: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield path, command
    for name, inner in subcommands.items():
        yield from _commands(inner, [*path, name])


def _help(command: click.Command) -> str:
    return re.sub(r"^ +", "", (command.help or "").strip(), flags=re.M)


def _parameter(parameter: click.Parameter) -> str | None:
    """A row of the table of a command, or None for what is shown in no help."""
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return None
    names = ", ".join(f"`{name}`" for name in parameter.opts) if parameter.param_type_name == "option" else ""
    metavar = getattr(parameter, "metavar", None)
    shown = names or f"`{metavar or (parameter.name or '').upper()}`"
    if names and metavar:
        shown += f" `{metavar}`"
    return f"| {_cell(shown)} | {_cell(getattr(parameter, 'help', None) or '')} |"


def _anchor(option: str) -> str:
    return option.replace("/", "-")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def _linked(text: str) -> str:
    """arXiv numbers as links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
