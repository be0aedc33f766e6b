"""The rules of docs/design.md for the whole code: which package may import which, sizes of files, and targets in conf/."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from source_trees import imported, tree
from terminal import dropbench

from dropbench import identity
from dropbench.config.options import options
from dropbench.config.parts import locate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dropbench"
FILES = sorted(PACKAGE.rglob("*.py"))
CONF = sorted((ROOT / "conf").rglob("*.yaml"))

LEAVES = {"errors", "identity", "kept", "process", "settings", "spec", "seeds", "values"}
"""Modules that anything may import: errors, specs and ids of runs, settings, the text of values, what is stored for the next
command, and the processes of a command."""

MAY_IMPORT: dict[str, set[str]] = {
    "__init__": {"api", "errors", "execute", "hardware", "process", "report"},
    "__main__": {"cli"},
    "api": {"cli", "config", "data", "engine", "execute", "planning", "report", "store"},
    "checks": {"dropout", "engine", "sites", "store"},
    "cli": {"config", "planning", "execute", "engine", "store", "report", "loggers", "hardware", "data"},
    "config": set(),
    "planning": {"config", "sites", "data", "dropout", "hardware", "regularizers", "store"},
    "execute": {"engine", "store", "planning", "config", "hardware"},
    "engine": {"dropout", "data", "nn", "regularizers", "sites", "planning", "hardware"},
    "loggers": {"execute", "engine", "store"},
    "programs": {"api", "data"},
    "report": {"store"},
    "models": {"nn", "sites"},
    "dropout": {"nn", "sites"},
    "regularizers": {"data"},
    "metrics": {"nn"},
    "nn": {"hardware"},
    "data": {"hardware"},
    "hardware": set(),
    "store": set(),
    "sites": set(),
    "errors": set(),
    "identity": set(),
    "kept": set(),
    "process": set(),
    "seeds": set(),
    "settings": set(),
    "spec": set(),
    "values": set(),
}
OF_PLANNING = {
    "engine": {"decay", "outline", "regularizers", "variants"},
    "execute": {"outline", "regularizers", "sources", "variants"},
}
"""The parts of planning that the packages which execute a plan may import: what a run would build, never the plan."""
NO_LEAVES = {"__init__", "errors", "nn", "metrics"}
NO_SPEC = {"store", "sites", "report", "models", "dropout", "regularizers"}
"""Packages that must not know specs of runs: a model, a variant, a table of results."""


def room(file: Path) -> str:
    first = file.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def ours(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(file) if name.startswith("dropbench.")} - {room(file)}


def test_every_room_has_its_rule() -> None:
    assert {room(f) for f in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_the_import_rule(file: Path) -> None:
    name = room(file)
    leaves = set() if name in NO_LEAVES else LEAVES - ({"spec", "settings"} if name in NO_SPEC else set())
    assert ours(file) <= MAY_IMPORT[name] | leaves


def test_nothing_is_allowed_that_is_not_done() -> None:
    apart = LEAVES | {"__init__", "__main__"}
    done: dict[str, set[str]] = {name: set() for name in MAY_IMPORT}
    for file in FILES:
        done[room(file)] |= ours(file) - LEAVES
    assert {n: d for n, d in done.items() if n not in apart} == {n: m for n, m in MAY_IMPORT.items() if n not in apart}


@pytest.mark.parametrize("name", OF_PLANNING)
def test_who_carries_a_plan_out_knows_its_outline_alone(name: str) -> None:
    files = [f for f in FILES if room(f) == name]
    assert {m.split(".")[2] for f in files for m in imported(f) if m.startswith("dropbench.planning.")} == OF_PLANNING[
        name
    ]


def test_no_file_imports_itself_by_a_way_round() -> None:
    """Check that there are no circular imports, including those under TYPE_CHECKING and in functions."""
    files = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in FILES}
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        froms = [n for n in ast.walk(tree(file)) if isinstance(n, ast.ImportFrom)]
        # `from package import name` imports the module of that name if there is one, else the package itself.
        named = [(f"{n.module}.{alias.name}", str(n.module)) for n in froms for alias in n.names]
        graph[module] = {inner if inner in files else outer for inner, outer in named} & files.keys()
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


def test_the_picture_in_the_docs_is_the_rule() -> None:
    """Check that the picture has an arrow for each allowed import, except of leaves, and that packages form no cycle."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    picture = text.partition("```mermaid")[2].partition("```")[0]
    drawn = {a: set(b.split(" & ")) for a, b in re.findall(r"^ +(\w+) --> (.+)$", picture, re.MULTILINE)}
    apart = LEAVES | {"__init__", "__main__"}
    assert drawn == {name: rooms for name, rooms in MAY_IMPORT.items() if rooms and name not in apart}
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize("name", ["store", "report", "errors", "spec", "values", "config", "cli"])
def test_rooms_that_never_import_torch_themselves(name: str) -> None:
    for file in FILES:
        if room(file) == name and file != PACKAGE / "store" / "tensors.py":  # which only uses torch's types
            assert not {m.partition(".")[0] for m in imported(file)} & {"torch", "torchvision"}, file


def test_torchvision_is_imported_in_one_file() -> None:
    by_name = re.compile(r"import_module\(\s*[\"']torchvision")
    found = [
        f
        for f in FILES
        if any(m.partition(".")[0] == "torchvision" for m in imported(f))
        or by_name.search(f.read_text(encoding="utf-8"))
    ]
    assert [room(f) for f in found] == ["data"]


@pytest.mark.parametrize("file", [*FILES, *sorted((ROOT / "tests").rglob("*.py"))], ids=lambda f: f.name)
def test_no_file_is_long(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_docstrings(file: Path) -> None:
    """Check that every module has a docstring, and every public function or class of more than 12 lines."""
    assert ast.get_docstring(tree(file)), file
    for node in tree(file).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            lines = (node.end_lineno or 0) - node.lineno + 1
            told = {"Frozen", "Component", "DropoutSpec", "DataSpec", "TrainSpec", "ExecuteSpec"}  # tables of fields
            told |= {"train", "sweep", "report", "list_options"}  # commands, documented in cli
            assert lines <= 12 or node.name in told or ast.get_docstring(node), f"{file}: {node.name}"


def tracked() -> list[Path]:
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_machine_paths_in_tracked_files() -> None:
    path = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt)/\w+")
    for file in tracked():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = path.search(text)
        assert not found or file == Path(__file__), f"{file}: {found[0] if found else ''}"


@pytest.mark.parametrize("file", CONF, ids=lambda f: str(f.relative_to(ROOT / "conf")))
def test_targets_import_and_files_say_what_they_are(file: Path) -> None:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    assert re.match(r"# \S.{10,}", first)
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"^\s*_target_: (\S+)$", text, re.MULTILINE):
        assert callable(locate(target))
    node = OmegaConf.load(file)
    group = file.parent.name
    if group in ("model", "dropout", "data") and not file.stem.startswith("_"):
        assert node["name"] == file.stem
        assert node["_target_"].startswith(f"dropbench.{ {'model': 'models'}.get(group, group) }.")
    if group == "schedule":
        assert (node["name"], node["_target_"]) == (file.stem, f"dropbench.dropout.schedule.{file.stem}")
    if group in ("metric", "regularizer"):
        assert list(node) == [file.stem]


def test_list_of_regularizers_names_those_that_are_keys_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    told = dropbench(capsys, "list", "regularizers").out
    assert all(f"train.{key} " in told for key in identity.OFF)


def test_list_shows_first_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(dropbench(capsys, "list", "--json").out)
    sections = {
        "variants": "dropout",
        "recipes": "dropout/recipe",
        "schedules": "dropout/schedule",
        "regularizers": "regularizer",
        "models": "model",
        "training": "train",
        "data": "data",
    }
    sections |= {"studies": "study", "metrics": "metric"}
    assert list(shown) == list(sections)
    for section, group in sections.items():
        assert shown[section] == {
            name: file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
            for name, file in options(group).items()
        }
    lines = dropbench(capsys, "list").out.splitlines()
    for section, named in shown.items():
        assert section in lines
        for name, line in named.items():
            assert any(re.fullmatch(rf"{name} +{re.escape(line)}", shown_line) for shown_line in lines)


def test_every_component_has_its_option() -> None:
    """Check that the target of every option is in a file of the package of its components."""
    for folder, group in (("models", "model"), ("dropout", "dropout"), ("data", "data"), ("metrics", "metric")):
        targets = {
            t.rpartition(".")[0] for f in options(group).values() for t in re.findall(r"_target_: (\S+)", f.read_text())
        }
        for target in targets:
            assert (PACKAGE / folder).joinpath(*target.split(".")[2:]).with_suffix(".py").is_file()


def test_no_two_files_of_tests_share_a_name() -> None:
    """pytest imports them by name alone: in one run of all directories it refuses the second, in two runs it does not tell."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    names = [file.name for file in files if file.name not in ("conftest.py", "__init__.py")]
    assert len(names) > 100 and {name for name in names if names.count(name) > 1} == set()
