"""What a cohort takes of a cluster, how many have room on it, and modules that are sent: without a cluster."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench.errors import UsageError
from dropbench.execute import ray_cluster, ray_code
from dropbench.execute.ray_cluster import Node, room
from dropbench.execute.ray_worker import disagreement
from dropbench.settings import Settings

CLUSTER = [Node(8, 0), Node(4, 2)]


def settings(device: str = "auto", address: str | None = "auto", **execute: Any) -> Settings:
    given = {"name": "ray", "workers": "auto", "threads": 1, "cohort": "auto", "address": address, **execute}
    return Settings.model_validate({"device": device, "results": Path("results"), "execute": given})


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    """Of a cluster that pretends to be there, to be changed; this machine has many cores."""
    there = list(CLUSTER)
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)
    monkeypatch.setattr(ray_cluster, "_nodes", lambda settings: there)
    monkeypatch.setattr(ray_cluster, "cores", lambda: 64)
    return there


@pytest.mark.parametrize(
    ("device", "execute", "found"),
    [
        ("cpu", {}, ("cpu", 12, 8)),  # one a core, and eight share the larger machine
        ("cpu", {"threads": 2}, ("cpu", 6, 4)),
        ("cpu", {"cpus": 0.5}, ("cpu", 24, 16)),
        ("cpu", {"cpus": 3}, ("cpu", 3, 2)),
        ("cpu", {"workers": 3}, ("cpu", 3, 3)),
        ("auto", {}, ("cuda", 2, 1)),  # one a card
        ("cuda", {"gpus": 0.5}, ("cuda", 4, 2)),
        ("cuda", {"gpus": 0.3}, ("cuda", 4, 3)),  # six would go on the cards, and the node has four processors
        ("auto", {"gpus": 0}, ("cpu", 12, 8)),
        ("cpu", {"gpus": 0}, ("cpu", 12, 8)),
    ],
)
def test_how_many_cohorts_have_room(nodes: list[Node], device: str, execute: Any, found: Any) -> None:
    assert room(settings(device, **execute)) == found


def test_auto_is_the_processor_where_the_cluster_has_no_card(nodes: list[Node]) -> None:
    nodes[:] = [Node(2, 0)]
    assert room(settings()) == ("cpu", 2, 2)


@pytest.mark.parametrize(
    ("device", "execute", "said"),
    [
        ("cuda:1", {}, "device=cuda:1: Ray chooses the GPU of each cohort; write device=cuda"),
        ("mps", {}, "device=mps: Ray chooses"),
        ("cpu", {"gpus": 1}, "device=cpu execute.gpus=1.0: each cohort would get a GPU that it does not use"),
        ("cuda", {"gpus": 0}, "device=cuda execute.gpus=0.0: each cohort would get no GPU; write device=auto"),
        (
            "cpu",
            {"cpus": 9},
            r"needs 9 processors and 0 GPUs, and no node .* \(the most are 8 and 2\): lower execute.cpus",
        ),
    ],
)
def test_what_has_no_room_is_said(nodes: list[Node], device: str, execute: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        room(settings(device, **execute))


def test_no_card_on_the_cluster_is_said(nodes: list[Node]) -> None:
    nodes[:] = [Node(2, 0)]
    with pytest.raises(UsageError, match="no GPU, and the cluster has none; write device=auto"):
        room(settings("cuda"))


def test_a_cluster_that_starts_nodes_when_needed_is_told_how_many(nodes: list[Node]) -> None:
    nodes[:] = []
    assert room(settings("cpu", workers=5)) == ("cpu", 5, 1)
    with pytest.raises(UsageError, match=r"execute\.workers=8"):
        room(settings("cpu"))


def test_this_machine_is_counted_where_no_cluster_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: True)
    monkeypatch.setattr(ray_cluster, "cores", lambda: 6)
    assert room(settings("cpu", None, threads=2)) == ("cpu", 3, 3)


def test_without_ray_it_is_said_what_to_install(
    mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    said = dropbench(capsys, "sweep", "execute=ray", "seed=0,1", "--dry-run")
    assert (said.code, said.out) == (2, "")
    assert said.err == "Error: execute=ray needs the package ray: pip install 'dropbench[ray]'\n"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("execute.gpus=2", "execute.gpus=2: it must be at most 1 or 'auto'"),
        ("execute.cpus=0", "execute.cpus=0: it must be above 0 or 'auto'"),
        ("execute=ray execute.adress=auto", "'execute.adress' is not a key here; did you mean 'execute.address'?"),
        ("execute=local execute.address=auto", "is not a key of execute=local; it belongs to execute=ray"),
    ],
)
def test_keys(mine: Path, capsys: pytest.CaptureFixture[str], typed: str, said: str) -> None:
    words = typed.split() if " " in typed else ["execute=ray", typed]
    told = dropbench(capsys, "train", *words)
    assert told.code == 2 and said in told.err


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine, which has nothing of the user's."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(ray_code, "_unpacked", {})


def test_modules_are_found_where_they_were_or_as_they_were_sent(elsewhere: None, tmp_path: Path) -> None:
    (tmp_path / "my_here.py").write_text("ONE = 1\n")
    ray_code.bring({str(tmp_path): {"my_here.py": "ONE = 1\n"}})
    assert sys.path[-1] == str(tmp_path)
    # Of the same name and with other content, and of a folder that is not here.
    other = tmp_path / "other"
    other.mkdir()
    (other / "my_there.py").write_text("TWO = 'not this'\n")
    ray_code.bring(
        {str(other): {"my_there.py": "TWO = 2\n", "my_package/__init__.py": "", "my_package/a.py": "A = 3\n"}}
    )
    assert str(other) not in sys.path
    assert importlib.import_module("my_there").TWO == 2 and importlib.import_module("my_package.a").A == 3
    for name in ("my_there", "my_package", "my_package.a"):
        del sys.modules[name]


def test_only_what_differs_is_a_disagreement() -> None:
    from dropbench.execute.environment import made_with

    told = settings("cpu")
    made = made_with("cpu", 1)
    assert disagreement(made, "cpu", told) is None
    said = disagreement({**made, "products": "abacus"}, "cpu", told)
    assert said is not None and f"has products {made['products']} instead of abacus: the records" in said
