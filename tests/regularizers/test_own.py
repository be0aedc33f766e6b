"""The regularizer that docs/regularizers.md writes out works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from training import Trained, table_of

from dropbench.config.compose import composer
from dropbench.planning import reproduce
from dropbench.spec import RunSpec

PAGE = (Path(__file__).parents[2] / "docs/regularizers.md").read_text(encoding="utf-8")
NAME = "regularizer.to_the_start.share"


def written(folder: Path) -> Path:
    """The files of the page's blocks that open with a comment that names one."""
    for _, text in re.findall(r"```(python|yaml)\n(.*?)```", PAGE, re.S):
        if named := re.match(r"# mine/(\S+)\n", text):
            file = folder / named[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.removeprefix(named[0]), encoding="utf-8")
    return folder


def test_the_regularizer_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    with composer([written(tmp_path)]) as c:
        given = {"model.widths": "[12]", "train.epochs": "2", "dropout": "none"}

        def spec(share: str | None) -> RunSpec:
            beside = {} if share is None else {"regularizer": "[to_the_start]", NAME: share}
            return c.compose({key: f"{key}={value}" for key, value in (given | beside).items()}).spec

        free, pulled, held, silent = map(spec, (None, "0.02", "1", "0"))
        assert silent.run_id == free.run_id
        assert pulled.sources and "--conf" in " ".join(
            reproduce.commands([(pulled.as_dict(), [0])], "results", [tmp_path])
        )
        table = table_of(free)
        together = Trained(free, pulled, held, table=table)

        def far(run_id: str) -> float:
            weights = together.weights[run_id]["hidden.0.linear.weight"]
            return float((weights - together.weights[held.run_id]["hidden.0.linear.weight"]).norm())

        assert 0 < far(pulled.run_id) < far(free.run_id)
        alone = Trained(pulled, table=table)
        ours, theirs = alone.weights[pulled.run_id], together.weights[pulled.run_id]
        assert all(torch.equal(t, theirs[name]) for name, t in ours.items())
