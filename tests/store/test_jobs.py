"""What is kept of a job: found again as it was written, whatever else lies there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dropbench.errors import UsageError
from dropbench.process import alive
from dropbench.store import jobs
from dropbench.store.jobs import Job

ASKED = {"command": ("sweep", "study=x"), "where": "/some", "plans": ("p1",), "created": "2026-01-01", "node": "a"}


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = jobs.new(tmp_path, "claims/over fitting", **ASKED)
    assert job.name == "claims-over-fitting-1" and job.log == job.folder / "log"
    assert jobs.new(tmp_path, "claims/over fitting", **ASKED).name == "claims-over-fitting-2"
    array = jobs.keep(replace(job, cluster="local", tasks=("7_0", "7_1"), keepers=(alive.this(), None)))
    assert jobs.jobs(tmp_path) == [array, replace(job, folder=job.folder.with_name("claims-over-fitting-2"))]
    assert jobs.read(job.folder) == array


def test_who_carries_it_out_says_so_and_how_it_ended(tmp_path: Path) -> None:
    job = jobs.new(tmp_path, "sweep", **ASKED)
    assert jobs.members(job.folder) == {} and not jobs.is_to_stop(job.folder)
    jobs.begin(job.folder, jobs.COMMAND, "a")
    (who,) = jobs.members(job.folder).values()
    assert (who.process, who.code, who.node) == (alive.this(), None, "a")
    jobs.end(job.folder, jobs.COMMAND, 143)
    assert jobs.members(job.folder)[jobs.COMMAND].code == 143
    jobs.ask_to_stop(job)
    assert jobs.is_to_stop(job.folder) and list(jobs.members(job.folder)) == [jobs.COMMAND]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '{"command": 3}', json.dumps({**ASKED, "tasks": None}), "[" * 10**5]
)
def test_what_is_no_job_is_left_out(tmp_path: Path, text: str) -> None:
    job = jobs.new(tmp_path, "sweep", **ASKED)
    (job.folder / "job.json").write_text(text)
    (job.folder / "command.json").write_text(text)
    assert jobs.jobs(tmp_path) == [] and jobs.members(job.folder) == {}


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_pipe_in_the_place_of_a_job_is_not_waited_for(tmp_path: Path) -> None:
    job = jobs.new(tmp_path, "sweep", **ASKED)
    (job.folder / "job.json").unlink()
    os.mkfifo(job.folder / "job.json")
    os.mkfifo(job.folder / "command.json")
    assert jobs.jobs(tmp_path) == [] and jobs.members(job.folder) == {}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("no folder")
    with pytest.raises(UsageError, match="cannot write results into"):
        jobs.new(tmp_path, "sweep", **ASKED)
    with pytest.raises(UsageError, match="cannot be written"):
        jobs.ask_to_stop(Job(folder=tmp_path / "nowhere", **ASKED))  # type: ignore[arg-type]
