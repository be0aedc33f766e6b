"""`dropbench runs verify`: every fault of a stored file is named, and what it says to type mends it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from run_folders import WINE, edited, runs
from terminal import TINY, dropbench

from dropbench.store import Store, files


def test_verify_finds_nothing_wrong_with_what_was_just_made(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "runs", "verify")
    assert (said.code, said.out) == (0, "5 records and plans looked at, nothing wrong\n")


def test_verify_names_each_fault(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, c, d = (swept.folder(run) for run in runs(swept))
    edited(a, ("seed", 99))
    (b / "history.csv").write_text("epoch,val_loss\n1,high\n")
    (c / "config.yaml").unlink()
    (c / "history.csv").write_text("epoch\n")
    (d / "test.npz").write_bytes(b"PK")
    (plan,) = (swept.root / "plans").iterdir()
    tree = json.loads(plan.read_text())
    plan.write_text(json.dumps(tree | {"runs": tree["runs"][:1]}))
    (swept.root / "runs" / f".x~{files._host()}~{2**22 + 1}~ab").mkdir()
    said = dropbench(capsys, "runs", "verify", "--json")
    assert said.code == 1
    wrong = {str(Path(w["path"]).relative_to("results")): w["reason"] for w in json.loads(said.out)["wrong"]}
    assert "its seed is 99" in wrong.pop(f"runs/{a.name}")
    assert wrong.pop(f"runs/{b.name}/history.csv") == "line 2 has a cell that is not a number"
    assert "No such file" in wrong.pop(f"runs/{c.name}/config.yaml")
    assert wrong.pop(f"runs/{c.name}/history.csv") == "it has 0 epochs of 1"
    assert "test.npz does not hold" in wrong.pop(f"runs/{d.name}/test.npz")
    assert "does not match its runs" in wrong.pop(f"plans/{plan.name}")
    assert "killed" in wrong.popitem()[1] and not wrong
    plain = dropbench(capsys, "runs", "verify")
    assert plain.code == 1 and len(plain.out.splitlines()) == 8


def test_what_verify_says_to_type_mends(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, *_ = [swept.folder(run) for run in runs(swept)]
    (a / "history.csv").unlink()
    (b / "record.json").write_text("{")
    said = dropbench(capsys, "runs", "verify").err
    assert f"dropbench train --from results/runs/{a.name} --force\n" in said
    assert "dropbench runs prune --dry-run; the sweep of a removed run, typed again, trains it again" in said
    assert dropbench(capsys, "train", "--from", f"results/runs/{a.name}", "--force", "-q").code == 0
    assert dropbench(capsys, "runs", "prune", "--yes").code == 0 and not b.exists()
    assert dropbench(capsys, "sweep", *WINE, "execute.workers=1", "-q").code == 0 and b.exists()
    said = dropbench(capsys, "runs", "verify")
    assert said.code == 0 and not said.err


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}", b"\xff" * 40])
def test_verify_looks_at_weights(swept: Store, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    folder = swept.folder(runs(swept)[0])
    edited(folder, ("weights", "weights.safetensors"))
    (folder / "weights.safetensors").write_bytes(content)
    said = dropbench(capsys, "runs", "verify")
    assert said.code == 1 and "it is not a tensor file of dropbench, or was cut short" in said.out
    edited(folder, ("weights", "../../x"))
    assert "outside of its folder" in dropbench(capsys, "runs", "verify").out


def test_verify_is_content_with_weights_as_they_are_written(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "train", *TINY, "train.save=last", "-q").code == 0
    assert dropbench(capsys, "runs", "verify", "-q").code == 0
    (file,) = bare.glob("results/runs/*/weights.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    assert dropbench(capsys, "runs", "verify", "-q").code == 1


@pytest.mark.parametrize("broken", ["cut", "gone"])
def test_damaged_weights_are_made_again_by_what_verify_says(
    broken: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dropbench(capsys, "train", *TINY, "train.save=best", "-q").code == 0
    (file,) = bare.glob("results/runs/*/weights.safetensors")
    if broken == "cut":
        file.write_bytes(b"")
    else:
        file.unlink()
    again = f"dropbench train --from results/runs/{file.parent.name} train.save=best --force"
    assert again in dropbench(capsys, "runs", "verify").err
    assert dropbench(capsys, *shlex.split(again)[1:], "-q").code == 0
    assert dropbench(capsys, "runs", "verify", "-q").code == 0 and file.stat().st_size > 100


def test_a_run_that_is_trained_again_does_not_keep_damaged_weights(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dropbench(capsys, "train", *TINY, "train.save=best", "-q").code == 0
    (file,) = bare.glob("results/runs/*/weights.safetensors")
    whole = file.read_bytes()
    assert dropbench(capsys, "train", *TINY, "--force", "-q").code == 0 and file.read_bytes() == whole
    file.write_bytes(whole[:-1])
    assert dropbench(capsys, "train", *TINY, "--force", "-q").code == 0 and not file.exists()
    assert dropbench(capsys, "runs", "verify", "-q").code == 0


def test_verify_misses_no_file_that_stops_or_changes_a_later_command(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without test.npz, intervals hold for the tested examples only; without a library in products.json no sweep starts."""
    folder = swept.folder(runs(swept)[0])
    (folder / "test.npz").unlink()
    (swept.root / "products.json").write_text("[]")
    said = dropbench(capsys, "runs", "verify")
    assert f"{folder.name}/test.npz: it is missing, and its record names it" in said.out
    assert "products.json: it does not name a library: remove it" in said.out and "runs prune" not in said.err
    assert dropbench(capsys, "train", "--from", f"results/runs/{folder.name}", "--force", "-q").code == 2
    (swept.root / "products.json").unlink()
    assert dropbench(capsys, "train", "--from", f"results/runs/{folder.name}", "--force", "-q").code == 0
    assert dropbench(capsys, "runs", "verify", "-q").code == 0


@pytest.mark.filterwarnings("ignore")
def test_a_run_with_an_undefined_score_keeps_its_weights_when_it_is_trained_again(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R² of equal targets is NaN, which no comparison finds equal to itself."""
    rows = "\n".join(f"{i % 7},{(i * i) % 11},{i},{9.5 * (i < 40)}" for i in range(60))  # the latest rows are all alike
    (bare / "late.csv").write_text(f"a,b,day,y\n{rows}\n")
    words = ("train", "data=csv", "data.path=late.csv", "data.target=y", "data.time=day", "data.task=regress")
    words += ("train.epochs=1", "model.widths=[4]", "-q")
    assert dropbench(capsys, *words, "train.save=best").code == 0
    (file,) = bare.glob("results/runs/*/weights.safetensors")
    assert '"test_r2": "NaN"' in (file.parent / "record.json").read_text()
    assert dropbench(capsys, *words, "--force").code == 0 and file.is_file()
