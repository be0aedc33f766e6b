"""Workers of a process that has done other things before: a script or notebook that has used torch on several threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# No `if __name__ == "__main__"`: a script's own top level must not run again in its workers.
SCRIPT = """
import torch
from dropbench.cli.app import app
from dropbench.process.workers import have_this_process, may_fork

print("script")
foreign = may_fork()
have_this_process()
alone = may_fork()
torch.set_num_threads(2)
torch.randn(1000, 1000).exp().sum()
print(foreign, alone, may_fork())
words = ["data=breast_cancer", "model.widths=[512]", "train.epochs=1", "seed=0,1,2,3", "execute.workers=2"]
app(["sweep", *words, "execute.cohort=2", "execute.threads=2", "--quiet"], standalone_mode=False)
print("end")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_a_script_that_has_used_threads(tmp_path: Path) -> None:
    """A copy of its process waits for ever in the first operation that would use two threads."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["script", "False", "True", "False", "end"], "")
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 4


PLANNING = """
from dropbench.process.workers import have_this_process, may_fork

have_this_process()
from dropbench.config.compose import composer
from dropbench.planning.plan import make

with composer() as c:
    make(["dropout=none,standard", "model=mlp,cnn,rnn"], c)
    make(["model=cnn", "model.batch_norm=after_activation", "model.channels=[4,8]"], c)
print(may_fork())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_planning_leaves_no_threads_behind() -> None:
    """Else every worker of every sweep would have to import torch afresh."""
    done = subprocess.run([sys.executable, "-c", PLANNING], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "True"
