"""docs/python.md: every example runs, one after the other, as one would type them; and the notebook, cell by cell."""

from __future__ import annotations

import json
import linecache
import re
from pathlib import Path
from typing import Any

import pytest

import dropbench as db

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    # One worker: what is shown is not how many there are, and a fresh interpreter takes seconds.
    monkeypatch.setattr("dropbench.hardware.device.resolve_workers", lambda settings, device: 1)
    known: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL)):
        file = f"<python.md {number}>"  # as a notebook keeps its cells
        linecache.cache[file] = (len(block), None, block.splitlines(keepends=True), file)
        exec(compile(block, file, "exec"), known)
    assert "did you mean 'wine'?" in capsys.readouterr().out
    assert (tmp_path / "answer.html").stat().st_size > 10_000
    assert set(re.findall(r"\bdb\.(\w+)", text)) >= set(db.__all__) - {"Answer", "Run"}


def test_the_notebook_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(DOCS / "first_steps.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("text/html" in out.get("data", {}) and "<iframe" in out["data"]["text/html"] for out in shown)
    assert not [out for out in shown if out["output_type"] == "error"]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((DOCS / "first_steps.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
