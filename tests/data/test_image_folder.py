"""Pictures in a folder for each class: read, brought to one size, parted as their folders are, and what is unreadable told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dropbench.data.base import Table
from dropbench.data.checked import checked
from dropbench.data.image_folder import load
from dropbench.errors import UsageError

SIZE = 8


def paint(
    file: Path, colour: tuple[int, ...] = (200, 100, 0), size: tuple[int, int] = (SIZE, SIZE), mode: str = "RGB"
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour if len(colour) > 1 else colour[0]).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my pictures"
    for i in range(4):
        paint(made / f"dogs/{i}.png", (50 * i, 0, 0))
        paint(made / f"cats/deeper/{i}.PNG", (0, 0, 50 * i))
    return made


def test_folders_that_differ_only_in_case_are_asked_about(folder: Path) -> None:
    paint(folder / "Dogs/9.png")
    paint(folder / "Dogs/8.png")
    (note,) = loaded(folder).notes
    assert "has the classes 'Dogs' and 'dogs', which differ only in case or blanks" in note


def loaded(folder: Path, **options: Any) -> Table:
    return checked(load(Path("nowhere"), False, path=str(folder), **{"size": SIZE, **options}), "image_folder")


def test_classes_are_called_as_their_folders(folder: Path) -> None:
    (folder / "readme.txt").write_text("not looked at")
    (folder / "dogs/.hidden.png").write_bytes(b"")
    table = loaded(folder)
    assert (table.name, table.classes, table.axes, table.shape) == (
        "my pictures",
        ("cats", "dogs"),
        "CHW",
        (3, SIZE, SIZE),
    )
    assert table.y.tolist() == [0] * 4 + [1] * 4 and table.test is None and table.notes == ()
    assert table.x[:, :, 0, 0].mul(255).round().tolist() == [
        *([0, 0, 50 * i] for i in range(4)), *([50 * i, 0, 0] for i in range(4))
    ]  # fmt: skip


def test_grey_is_as_pillow_has_it(folder: Path) -> None:
    table = loaded(folder, grey=True)
    assert table.shape == (1, SIZE, SIZE)
    grey = np.asarray(Image.new("RGB", (1, 1), (150, 0, 0)).convert("L"))[0, 0]
    assert float(table.x[-1, 0, 0, 0]) == pytest.approx(grey / 255)


def test_the_middle_of_a_picture_is_cut_out_and_scaled(folder: Path) -> None:
    wide = Image.new("RGB", (4 * SIZE, 2 * SIZE), (255, 255, 255))
    wide.paste((0, 0, 0), (SIZE, 0, 3 * SIZE, 2 * SIZE))  # black where the middle is
    wide.save(folder / "cats/wide.png")
    table = loaded(folder)
    at = [str(f).endswith("wide.png") for f in table.files].index(True)
    assert table.x[at, :, :, 1:-1].max() == 0 and table.x[at].mean() < 0.05  # its edges touch what is white


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_a_picture_is_turned_as_its_camera_says(folder: Path, turned: int) -> None:
    half = Image.new("L", (SIZE, SIZE), 0)
    half.paste(255, (0, 0, SIZE, SIZE // 2))
    exif = Image.Exif()
    exif[0x0112] = turned
    half.save(folder / "cats/a.png", exif=exif)
    upright = {3: half.rotate(180), 6: half.rotate(270), 8: half.rotate(90)}[turned]
    assert torch.equal(loaded(folder, grey=True).x[0, 0].mul(255).byte(), torch.from_numpy(np.array(upright)))


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("RGBA", (0, 0, 0, 0), 1.0),
        ("RGBA", (255, 255, 255, 255), 1.0),
        ("LA", (0, 255), 0.0),
        ("I;16", (65535,), 1.0),
        ("1", (1,), 1.0),
    ],
)
def test_every_mode(folder: Path, mode: str, colour: tuple[int, ...], seen: float) -> None:
    paint(folder / "cats/a.png", colour, mode=mode)
    assert loaded(folder).x[0].unique().tolist() == [seen]


@pytest.mark.parametrize("ending", ["jpg", "bmp", "gif", "webp", "tiff", "ppm"])
def test_every_kind_of_file(folder: Path, ending: str) -> None:
    paint(folder / f"cats/a.{ending}", (255, 255, 255))
    assert loaded(folder).x[0].min() > 0.95


def test_what_cannot_be_read_is_left_out_and_told(folder: Path) -> None:
    (folder / "dogs/broken.png").write_bytes((folder / "dogs/3.png").read_bytes()[:40])
    (folder / "dogs/empty.jpg").touch()
    table = loaded(folder)
    assert len(table.y) == 8
    assert table.notes == ("2 files cannot be read as a picture and are left out: dogs/broken.png, dogs/empty.jpg",)


def test_parts(folder: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    for part in ("train", "valid", "test"):
        (parts / part).parent.mkdir(exist_ok=True)
        for name in ("cats", "dogs"):
            for i in range(2):
                paint(parts / part / name / f"{i}.png", (10 * i + 1, len(part), 0))
    table = loaded(parts)
    assert table.classes == ("cats", "dogs") and table.test is not None and table.val is not None
    tested = [table.files[i].relative_to(parts).parts[0] for i in table.test.tolist()]
    validated = [table.files[i].relative_to(parts).parts[0] for i in table.val.tolist()]
    assert (set(tested), set(validated), len(tested), len(validated)) == ({"test"}, {"valid"}, 4, 4)
    (parts / "test").rename(tmp_path / "away")
    table = loaded(parts)
    assert table.val is None and table.test is not None and len(table.test) == 4
    assert table.notes == (
        "there is no folder 'test', so 'val' is the test split, and validation is drawn from 'train'",
    )
    (parts / "birds").mkdir()
    with pytest.raises(UsageError, match="next to train, valid there is a folder 'birds'; move it elsewhere"):
        loaded(parts)


def test_a_class_that_is_called_test_is_a_class(folder: Path) -> None:
    (folder / "dogs").rename(folder / "test")
    assert loaded(folder).classes == ("cats", "test")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "data.path is not set: it names your folder"),
        ("my picture", "there is no such folder; did you mean 'my pictures'"),
        ("my pictures/cats", "has pictures in 1 folder; it needs two or more"),
        ("my pictures/cats/deeper", "has pictures in 0 folders"),
        ("my pictures/dogs/0.png", "is a file; data=image_folder needs a folder"),
    ],
)
def test_what_is_no_such_folder_is_told(
    path: str | None, message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        load(tmp_path, False, path=path)


def test_pictures_none_of_which_can_be_read(folder: Path) -> None:
    for file in folder.rglob("*.*"):
        file.write_bytes(b"broken")
    with pytest.raises(UsageError, match="none of its 8 files can be read as a picture, for instance cats"):
        loaded(folder)


def test_what_would_not_fit_in_memory_is_told_before_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropbench.data.image_folder.ram", lambda: 100)
    with pytest.raises(UsageError, match="in memory, and this machine has"):
        loaded(folder)
