"""Pictures: what they show is what the tables say, and they are the same bytes each time."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image
from terminal import dropbench

from dropbench import report
from dropbench.report.output.figures import draw, write_figures
from dropbench.report.output.figures.pairs import LINES
from dropbench.report.output.figures.picture import Picture, slug, tex
from dropbench.report.output.figures.style import COLOURS, MARKS, some
from dropbench.report.statistics.interval import bands, interval
from dropbench.store import Measure as Declaration

REPO = Path(__file__).resolve().parents[3]
RATES = (0.1, 0.3, 0.5, 0.7)
SEEDS = range(7)


def score(rate: float, seed: int) -> float:
    """A U upside down with its top at 0.3, and a little of each seed and each run."""
    return 0.9 - 0.3 * (rate - 0.3) ** 2 + 0.01 * math.sin(seed) + 0.003 * math.sin(7 * seed + 50 * rate)


def epochs(seed: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "epoch": e,
            "train_loss": 2 / e + 0.01 * seed,
            "val_loss": 2.2 / e + 0.02 * seed,
            "train_accuracy": 1 - 0.5 / e,
            "val_accuracy": 0.95 - 0.5 / e - 0.001 * seed,
            "lr": 0.1,
        }
        for e in range(1, count + 1)
    ]


@pytest.fixture
def grid(fake: Any, store: Any) -> Path:
    """none and standard at four rates under seven seeds; runs of later seeds stop an epoch earlier."""
    for seed in SEEDS:
        for rate in (0.0, *RATES):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            value = score(rate, seed)
            record = fake(seed, changes=changes, train=0.99, val=value, test=value - 0.2 + 0.1 * rate)
            store.write(record, epochs(seed, 9 if seed > 3 else 10), "")
    return Path(store.root)


@pytest.fixture
def pictures(grid: Path) -> dict[str, Picture]:
    (found,) = draw(report.build([grid]))
    return {p.name: p for p in found}


def test_each_picture_that_the_records_allow(pictures: dict[str, Picture]) -> None:
    assert list(pictures) == ["forest", "pairs", "rates", "curves-accuracy", "curves-loss"]
    assert all(p.title and len(p.alt) > 80 for p in pictures.values())


def test_one_arm_without_epochs_has_no_picture(fake: Any, put: Any, store: Any, capsys: Any) -> None:
    put(fake(0), fake(1))
    assert draw(report.build([store.root])) == [[]]
    said = dropbench(capsys, "report", str(store.root), "--figures", str(store.root / "figures"))
    assert "no figure was drawn: " in said.err
    assert not (store.root / "figures").exists()


@pytest.mark.parametrize("n", [2, 5, 6, 10])
def test_bands_are_the_interval_of_each_column(n: int) -> None:
    samples = np.random.default_rng(n).normal(size=(n, 5))
    samples[:, 1] = 3.0
    samples[:, 2] = [1.0] * (n - 1) + [2.0]  # too many equal differences for the bootstrap
    low, high = bands(samples)
    each = [interval(column) for column in samples.T]
    np.testing.assert_allclose(low, [i.low for i in each], rtol=1e-12)
    np.testing.assert_allclose(high, [i.high for i in each], rtol=1e-12)


def test_one_seed_has_no_band() -> None:
    assert np.isnan(bands(np.ones((1, 3)))).all()


def test_forest_has_the_numbers_of_the_table(grid: Path) -> None:
    made = report.build([grid])
    table = made.comparisons[0].table.set_index("arm").drop("none")
    (axes,) = draw(made)[0][0].figure.axes
    drawn = [line.get_xdata() for line in axes.lines]
    for low, high, mean in zip(
        table["test_accuracy_diff_low"], table["test_accuracy_diff_high"], table["test_accuracy_diff_mean"], strict=True
    ):
        assert any(np.allclose(x, [100 * low, 100 * high]) for x in drawn if len(x) == 2)
        assert any(np.allclose(x, [100 * mean]) for x in drawn if len(x) == 1)
    words = ElementTree.tostring(ElementTree.fromstring(draw(made)[0][0].svg()), encoding="unicode", method="text")
    assert all(verdict in words for verdict in table["verdict"])
    assert "±0.2 points" in words


def test_pairs_join_the_same_seed_in_a_panel_an_arm(pictures: dict[str, Picture]) -> None:
    panels = pictures["pairs"].figure.axes
    assert [[t.get_text() for t in axes.get_xticklabels()] for axes in panels] == [
        ["none", f"standard {r}"] for r in RATES
    ]
    for axes, rate in zip(panels, RATES, strict=True):
        lines = {tuple(np.round(line.get_ydata(), 6)) for line in axes.lines}
        for seed in SEEDS:
            theirs, ours = score(0, seed) - 0.2, score(rate, seed) - 0.2 + 0.1 * rate
            assert (round(100 * theirs, 6), round(100 * ours, 6)) in lines


def test_the_rate_curve_is_of_paired_differences_in_validation_and_marks_the_choice(
    pictures: dict[str, Picture],
) -> None:
    (axes,) = pictures["rates"].figure.axes
    curve = next(line for line in axes.lines if line.get_label() == "standard")
    np.testing.assert_allclose(curve.get_xdata(), RATES)
    differences = {r: np.array([score(r, s) - score(0, s) for s in SEEDS]) for r in RATES}
    np.testing.assert_allclose(curve.get_ydata(), [100 * d.mean() for d in differences.values()])
    bars = next(c for c in axes.collections if len(c.get_paths()) == len(RATES))
    for segment, d in zip(bars.get_segments(), differences.values(), strict=True):
        each = interval(d)
        np.testing.assert_allclose(segment[:, 1], [100 * each.low, 100 * each.high])
    star = next(line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata()))
    assert star.get_xdata()[0] == pytest.approx(0.3)
    assert "test" not in pictures["rates"].alt.lower()


def test_two_rates_make_no_curve(fake: Any, put: Any, store: Any) -> None:
    for seed in SEEDS:
        put(fake(seed), *(fake(seed, changes={"dropout": "standard", "dropout.rate": r}) for r in (0.2, 0.5)))
    assert [p.name for p in draw(report.build([store.root]))[0]] == ["forest", "pairs"]


def test_curves_are_means_of_the_epochs_that_all_runs_have(pictures: dict[str, Picture]) -> None:
    panels = pictures["curves-loss"].figure.axes
    assert len(panels) == 1 + len(RATES)
    for axes in panels:
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) == {"training", "validation"}
        np.testing.assert_array_equal(lines["training"].get_xdata(), range(1, 10))
        np.testing.assert_allclose(lines["validation"].get_ydata(), [2.2 / e + 0.02 * 3 for e in range(1, 10)])
        assert len(axes.collections) == 4  # the gap and its hatch, and two bands
        low, high = axes.get_ylim()
        assert (
            low < 2 / 9 + 0.01 * 3 and 2.2 / 2 < high < 2.0
        )  # where training began is left out, where it ended is not


def test_histories_that_cannot_be_read_are_left_out(grid: Path, fake: Any) -> None:
    runs = sorted((grid / "runs").iterdir())
    (runs[0] / "history.csv").unlink()
    (runs[1] / "history.csv").write_bytes(b"\xff\xfe\x00")
    (runs[2] / "history.csv").write_text("")
    (runs[3] / "history.csv").write_text("epoch,val_loss\n1,2,3,4\n5")
    assert {p.name for p in draw(report.build([grid]))[0]} >= {"curves-accuracy", "curves-loss"}


def test_an_infinite_score_stops_no_picture(fake: Any, put: Any, store: Any) -> None:
    for seed in SEEDS:
        bad = fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, val=0.8)
        others = [fake(seed, changes={"dropout": "standard", "dropout.rate": r}) for r in (0.1, 0.2, 0.3)]
        for record in (whole := [fake(seed), bad, *others]):
            record.metrics["test_mine"] = record.metrics["val_mine"] = math.inf if record is bad else 1.0 + seed
            record.measures["mine"] = Declaration("lower")
        put(*whole)
    for picture in draw(report.build([store.root], metric="mine"))[0]:
        picture.svg()


def test_a_heat_map_of_two_keys_and_none_of_one(grid: Path) -> None:
    ((picture,),) = draw(report.pivot([grid], rows="dropout.rate", cols="seed"))
    texts = [t.get_text() for t in picture.figure.axes[0].texts]
    assert len(texts) == len(SEEDS) * (1 + len(RATES))
    assert f"{100 * (score(0.5, 2) - 0.15):.1f}" in texts
    assert "<image" not in picture.svg()
    assert draw(report.pivot([grid], rows="dropout.rate")) == [[]]


def test_the_same_records_give_the_same_bytes_whatever_the_users_settings(grid: Path, tmp_path: Path) -> None:
    first = {f.name: f.read_bytes() for f in write_figures(report.build([grid]), tmp_path / "a")}
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "other", "svg.fonttype": "path", "axes.grid": True}):
        again = {f.name: f.read_bytes() for f in write_figures(report.build([grid]), tmp_path / "b")}
        assert matplotlib.rcParams["font.size"] == 20
    assert first == again
    assert len(first) == 5 * 5
    for name, content in first.items():
        if name.endswith(".svg"):
            ids = [e.get("id") for e in ElementTree.fromstring(content).iter() if e.get("id")]
            assert len(ids) == len(set(ids))
            assert not re.search(rb"<dc:date|\d{4}-\d\d-\d\dT", content)
        elif name.endswith(".png"):
            with Image.open(io.BytesIO(content)) as image:
                assert image.format == "PNG"
                assert image.width == 6.2 * 300
        elif name.endswith(".pdf"):
            assert b"/FontFile2" in content and b"/CreationDate" not in content


def test_names_of_several_comparisons_are_unique_and_say_which(fake: Any, put: Any, store: Any, tmp_path: Path) -> None:
    for seed in range(3):
        for model in ("mlp", "cnn"):
            put(
                *(fake(seed, changes={"model": model, **c}) for c in ({}, {"dropout": "standard", "dropout.rate": 0.5}))
            )
    files = write_figures(report.build([store.root]), tmp_path / "figures")
    assert [f.name for f in files if f.suffix == ".svg"] == [
        f"{model}-on-mnist-n_train-1000.{what}.svg" for model in ("cnn", "mlp") for what in ("forest", "pairs")
    ]


@pytest.mark.parametrize(
    ("title", "name"), [("a/b\\c: d", "a-b-c-d"), ("../x", "x"), ("rates={input: 0.2}", "rates-input-0.2")]
)
def test_a_title_becomes_a_file_name(title: str, name: str) -> None:
    assert slug(title) == name


def test_of_many_arms_the_baseline_and_the_chosen_are_shown() -> None:
    labels = [str(i) for i in range(20)]
    assert some(labels, "19", ["17"], 4) == ["0", "1", "17", "19"]


def test_series_differ_without_colour() -> None:
    for what in ("colour", "line", "marker"):
        assert len({str(getattr(mark, what)) for mark in MARKS}) == len(MARKS)
    assert {mark.colour for mark in MARKS} <= set(COLOURS.values())


def test_inline_pictures_take_the_pages_colours_and_share_no_id(pictures: dict[str, Picture]) -> None:
    inlined = [p.inline() for p in pictures.values()]
    ids = [i for svg in inlined for i in re.findall(r' id="([^"]*)"', svg)]
    assert len(ids) == len(set(ids))
    for svg in inlined:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= set(ids)
        assert "currentColor" in svg
        assert not re.search("|".join(COLOURS.values()), svg)


def test_the_command_prints_what_it_wrote(grid: Path, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "new" / "figures"
    said = dropbench(capsys, "report", str(grid), "--figures", str(folder))
    for file in folder.iterdir():
        assert f"written to {file}" in said.err
    assert len(list(folder.iterdir())) == 5 * 5
    said = dropbench(capsys, "report", str(grid), "--figures", str(folder), "--format", "csv")
    assert "written" not in said.out
    assert "written" in said.err


@pytest.mark.parametrize(("typed", "inches"), [("column", 3.4), ("page", 6.9), ("5", 5.0)])
def test_widths_of_a_paper(grid: Path, tmp_path: Path, capsys: Any, typed: str, inches: float) -> None:
    folder = tmp_path / "figures"
    dropbench(capsys, "report", str(grid), "--quiet", "--figures", str(folder), "--figure-width", typed)
    for file in folder.glob("*.svg"):
        assert float(ElementTree.fromstring(file.read_text()).get("width").removesuffix("pt")) == pytest.approx(
            72 * inches
        )
    column = typed == "column"
    assert ("\\columnwidth" if column else "\\textwidth") in (folder / "rates.tex").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--figures", "x", "--figure-width", "wide"], "write column, page, or a width in inches between 2 and 20"),
        (["--figures", "x", "--figure-width", "50"], "write column, page, or a width in inches between 2 and 20"),
        (["--figure-width", "column"], "name a folder for them"),
    ],
)
def test_a_width_that_is_none_is_a_sentence(capsys: Any, words: list[str], said: str) -> None:
    told = dropbench(capsys, "report", "nowhere", *words)
    assert told.code == 2 and said in told.err


def test_captions_say_what_is_shown_and_what_the_signs_mean(pictures: dict[str, Picture]) -> None:
    for picture in pictures.values():
        assert picture.caption() == f"{picture.title}. {picture.reads}\n\n{picture.alt}\n"
        told = picture.latex()
        assert (
            told.count("{") == told.count("}") and "\\label{fig:" in told and "95 \\%" in told
        ) or "%" not in picture.title
    assert tex("a_b & 95 %: -1.5 ± 0.2 {x}, 2-3, a-1") == r"a\_b \& 95 \%: $-$1.5 $\pm$ 0.2 \{x\}, 2-3, a-1"


def test_an_arm_that_has_no_room_is_not_left_out_in_silence(fake: Any, put: Any, store: Any) -> None:
    rates = [round(0.05 * i, 2) for i in range(1, 17)]
    for seed in SEEDS:
        put(fake(seed, val=score(0, seed), test=score(0, seed)))
        put(*(fake(seed, changes={"dropout": "standard", "dropout.rate": r}, test=score(r, seed)) for r in rates))
    titles = {p.name: p.title for p in draw(report.build([store.root]))[0]}
    assert titles["pairs"] == "Seed by seed against none (12 of 16 arms)"


def test_signs_have_a_legend(pictures: dict[str, Picture]) -> None:
    for name, words in {"pairs": {"better", "mean"}, "curves-loss": {"training", "validation", "gap"}}.items():
        (legend,) = pictures[name].figure.legends
        assert words <= {t.get_text() for t in legend.get_texts()}


def test_a_folder_that_cannot_be_written_is_a_sentence(grid: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    said = dropbench(capsys, "report", str(grid), "--quiet", "--figures", str(tmp_path / "file"))
    assert said.code == 2
    assert "choose a folder that you can write to" in said.err
    assert "leave out --figures" in dropbench(capsys, "report", str(grid), "--confirm", "--figures", "x").err


def test_no_torch_and_no_pyplot(grid: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dropbench import report\n"
        "made = report.build([Path(sys.argv[1])])\n"
        "assert 'matplotlib' not in sys.modules\n"
        "report.write_figures(made, Path(sys.argv[2])); report.render(made, 'html')\n"
        "print([m for m in ('torch', 'scipy.stats', 'matplotlib.pyplot', 'hydra') if m in sys.modules])"
    )
    command: list[str] = [sys.executable, "-c", script, str(grid), str(tmp_path / "figures")]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    assert subprocess.check_output(command, env=environment, text=True).strip() == "[]"


def many(fake: Any, store: Any, seeds: int, ahead: float) -> Picture:
    """The pairs of many seeds: the arm is better under most, and the same under the last."""
    for seed in range(seeds):
        base = 0.8 + 0.01 * math.sin(seed)
        plus = 0.0 if seed == seeds - 1 else ahead + 0.01 * math.sin(50 * seed)
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        store.write(fake(seed, test=base), [], "")
        store.write(fake(seed, changes=changes, test=base + plus), [], "")
    (found,) = draw(report.build([store.root]))
    return next(p for p in found if p.name == "pairs")


def test_of_many_seeds_the_differences_are_drawn_sorted(fake: Any, store: Any) -> None:
    picture = many(fake, store, LINES + 20, 0.002)
    (axes,) = picture.figure.axes
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    expected = sorted([0.0, *(100 * (0.002 + 0.01 * math.sin(50 * s)) for s in range(LINES + 19))])
    np.testing.assert_allclose([bar.get_height() for bar in bars], expected, atol=1e-9)
    up = sum(v > 1e-9 for v in expected)
    assert f"{up} of {LINES + 20} better" in axes.get_title()
    assert f"standard 0.5 better under {up} of {LINES + 20} seeds, worse under {LINES + 19 - up}" in picture.alt
    mean = next(line for line in axes.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(mean.get_ydata(), np.mean(expected))
    assert "line" not in picture.reads.replace("dashed lines", "")


@pytest.mark.parametrize(("seeds", "same"), [(8, True), (LINES + 1, False)])
def test_a_legend_has_only_the_signs_that_there_are(fake: Any, store: Any, seeds: int, same: bool) -> None:
    """The arm is better under all seeds and the same under one; a difference of nothing has no bar."""
    (legend,) = many(fake, store, seeds, 0.05).figure.legends
    assert {t.get_text() for t in legend.get_texts()} == {"better", "mean"} | ({"the same"} if same else set())
