"""The studies of claims that come with dropbench: each can be planned as it stands, and runs in miniature."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from terminal import dropbench

from dropbench.cli.asking import Going, asked_for
from dropbench.config.compose import composer
from dropbench.config.options import options
from dropbench.config.study_spec import StudySpec
from dropbench.errors import UsageError
from dropbench.report import claims
from dropbench.report.statistics.grammar import parse
from dropbench.report.tables.claims import Checked, Claimed

STUDIES = {name: file for name, file in options("study").items() if name.startswith("claims/")}
LONGEST = 100
"""Characters of a statement, which stands in a table."""


def read(file: Path) -> StudySpec:
    return StudySpec(**yaml.safe_load(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", STUDIES)
def test_it_is_written_as_the_others_are(name: str) -> None:
    study = read(STUDIES[name])
    assert study.claims or study.checks or study.programs
    assert not study.claims or study.pilot is not None, "its power is told before its verdict"
    for claim in study.claims.values():
        parse(claim.contrast)
        assert len(claim.says) <= LONGEST and not claim.says.endswith(".")
        assert claim.note is None or claim.note.endswith(".")


def test_statements_of_one_name_or_text_are_not_made_twice() -> None:
    said = Counter(
        s.says for file in STUDIES.values() for s in (*read(file).claims.values(), *read(file).checks.values())
    )
    assert [text for text, n in said.items() if n > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_it_runs_in_miniature(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"study={name}", "study.pilot=null", f"results={tmp_path}"]
    with composer() as c:
        try:
            plan = asked_for(words, Going(), c).first
        except UsageError as error:
            if "DROPBENCH_DATA" in str(error) and "DROPBENCH_DATA" not in os.environ:
                pytest.skip(f"no data: {error}")
            raise
    assert set(plan.claims) == set(read(STUDIES[name]).claims)
    together = [int(n) for claim in plan.claims.values() for n in re.findall(r"of (\d+) runs", claim.contrast)]
    seeds = max(together, default=2)  # an ensemble of five takes five seeds; six would be enough for a verdict
    said = dropbench(capsys, "sweep", *words, f"seed=range(0,{seeds})", "train.epochs=2", "execute.workers=1", "-q")
    assert said.code == 0, said.err
    for told in claims([tmp_path]).claims:
        if isinstance(told, Claimed):
            assert told.contrast is not None and told.contrast.difference.pairs <= seeds, told.why
            assert told.verdict == "undecided"
        else:
            assert isinstance(told, Checked) and told.cases
