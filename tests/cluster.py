"""A fake Slurm cluster made of commands on the path: it stores submitted scripts, and its queue is a file."""

from __future__ import annotations

import stat
from pathlib import Path

SBATCH = """#!/bin/sh
cat "$1" > {there}/submitted.sh
if [ -e {there}/full ]; then echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1; fi
echo "Submitted batch job 123"
"""
SQUEUE = """#!/bin/sh
if [ -e {there}/down ]; then echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; fi
if [ ! -e {there}/queue ]; then echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; fi
cat {there}/queue
"""
SCANCEL = '#!/bin/sh\necho "$@" >> {there}/cancelled\n'


class Cluster:
    def __init__(self, there: Path) -> None:
        self.there = there
        there.mkdir()
        for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL), ("srun", "#!/bin/sh\n")):
            file = there / name
            file.write_text(text.format(there=there))
            file.chmod(file.stat().st_mode | stat.S_IXUSR)

    @property
    def submitted(self) -> list[str]:
        """The lines of the last submitted job script."""
        return (self.there / "submitted.sh").read_text().splitlines()

    @property
    def cancelled(self) -> list[str]:
        file = self.there / "cancelled"
        return file.read_text().splitlines() if file.exists() else []

    def queue(self, **states: str) -> None:
        """Set the output of squeue: `t0="RUNNING"` is task 0 of job 123; without arguments, squeue knows no such job."""
        (self.there / "queue").unlink(missing_ok=True)
        if states:
            lines = [f"123_{task[1:]} {state}" for task, state in states.items()]
            (self.there / "queue").write_text("\n".join(lines) + "\n")

    def say(self, what: str, *, on: bool = True) -> None:
        """Set a state: `full`, in which sbatch rejects jobs, or `down`, in which squeue fails."""
        (self.there / what).write_text("") if on else (self.there / what).unlink()
