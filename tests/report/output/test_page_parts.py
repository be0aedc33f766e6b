"""What the page is made of: the chart's places, curves, numbers of seeds, papers, the matrix, downloads."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from dropbench import report
from dropbench.report.output.export import seeds_csv
from dropbench.report.output.page.arm import panels
from dropbench.report.output.page.chart import MARGIN, _Scale, charts
from dropbench.report.output.page.data import LINES, POINTS, curves
from dropbench.report.output.page.matrix import matrix, overall
from dropbench.report.output.page.papers import bibliography, parts_of
from dropbench.report.output.page.render import _typeset
from dropbench.report.output.page.seeds import slider
from dropbench.report.output.page.todo import todo

CONF = Path(__file__).parents[3] / "conf"
EPOCHS = 200


@pytest.fixture
def built(fake: Any, store: Any) -> Any:
    """Two models, two arms each beside none, eight seeds; one arm is better in one of them."""
    luck = random.Random(1)
    for model in ("mlp", "cnn"):
        for seed in range(8):
            base = 0.9 + luck.gauss(0, 0.01)
            for rate, plus in ((0.0, 0.0), (0.1, 0.03 * (model == "mlp")), (0.5, -0.1)):
                dropped = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                record = fake(seed, changes={"model": model, **dropped}, test=base + plus + luck.gauss(0, 0.002))
                rows = [
                    {"epoch": e, "train_accuracy": 1 - 1 / e, "val_accuracy": 0.9 - 0.9 / e}
                    for e in range(1, EPOCHS + 1)
                ]
                store.write(record, rows, "")
    return report.build([store.root])


def test_places_are_in_the_order_of_values_and_within_the_room(built: Any) -> None:
    for c in built.comparisons:
        first, *others = charts(c)
        assert [o.name for o in (first, *others)] == [
            str(m) for m in (c.measure, *(m for m in c.compared if m != c.measure))
        ]
        means = [row.mean for row in first.rows]
        assert means == sorted(means, reverse=True)  # the best first, and further right
        for row in first.rows:
            assert row.low < row.mean < row.high
            assert all(0 <= x <= 100 for x in (row.low, row.mean, row.high, *(d.x for d in row.dots)))
            assert len(row.dots) == 8
        # Every place lies as far from 0 as its number says, and the ends of what there is fill the room.
        scale, values = c.measure.scale, {}
        for row in first.rows:
            d = c.verdicts[row.label].difference
            values |= {row.mean: d.mean, row.low: d.low, row.high: d.high}
            values |= dict(zip((dot.x for dot in row.dots), c.verdicts[row.label].values.values(), strict=True))
        values |= {t.x: float(t.text.replace("\N{MINUS SIGN}", "-")) / scale for t in first.ticks}
        low, high = first.region
        values |= {low: -c.region(c.measure), high: c.region(c.measure), first.zero: 0.0}
        left, right = min(values), max(values)
        assert (left, right) == pytest.approx((MARGIN, 100 - MARGIN), abs=0.02)
        share = (values[right] - values[left]) / (right - left)
        for x, value in values.items():
            assert value == pytest.approx((x - first.zero) * share, abs=0.02 * share)


def test_of_a_loss_the_best_is_the_lowest(built: Any) -> None:
    chart = next(one for one in charts(built.comparisons[0]) if one.name == "test_loss")
    assert (chart.left, chart.right) == ("better", "worse")
    assert [row.mean for row in chart.rows] == sorted(row.mean for row in chart.rows)


@pytest.mark.parametrize(("low", "high"), [(-0.004, 0.02), (-75.0, 3.0), (0.0, 1e-6), (-1.0, 12345.0), (2.0, 2.0)])
def test_ticks_are_few_and_round(low: float, high: float) -> None:
    place = _Scale(low, high, 1.0)
    ticks = place.ticks()
    assert 2 <= len(ticks) <= 7 or (low == high and ticks)
    assert all(MARGIN - 1e-6 <= place(t) <= 100 - MARGIN + 1e-6 for t in ticks)
    assert all(re.fullmatch(r"-?(\d+(\.\d{1,10})?|\d(\.\d)?e-\d+)", f"{t:g}") for t in ticks)


def test_an_arm_opened_has_its_seeds_and_what_differs(built: Any) -> None:
    mlp = next(c for c in built.comparisons if "mlp" in c.title)
    base, small, _ = panels(mlp, built)
    assert base.summary == "the baseline" and base.settings == ()
    assert {k: (ours, theirs) for k, ours, theirs in small.settings} == {
        "dropout.name": ("standard", "none"),
        "dropout.rate": ("0.1", "0"),
    }
    contrast = mlp.verdicts[small.label]
    assert [s.difference for s in small.seeds] == [
        mlp.measure.difference(v).replace("-", "\N{MINUS SIGN}") for v in contrast.values.values()
    ]
    assert {s.run for s in small.seeds} == set(mlp.runs_of(small.label)["run_id"])


def test_curves_are_the_histories_thinned(built: Any) -> None:
    c = built.comparisons[0]
    told = curves(c, built.histories)
    assert set(told["runs"]) == {"1", "2", "3"} and told["axis"] == "validation accuracy, %"
    for run in told["runs"]["2"]:
        assert len(run["epochs"]) <= POINTS + 1 and run["epochs"][-1] == EPOCHS
        for epoch, val, gap in zip(run["epochs"], run["val"], run["gap"], strict=True):
            assert val == pytest.approx(100 * (0.9 - 0.9 / epoch), rel=1e-3)
            assert gap == pytest.approx(100 * (0.1 - 0.1 / epoch), abs=0.02)


def test_of_many_seeds_the_mean_and_the_middle_are_drawn(fake: Any, store: Any) -> None:
    """As far as all seeds were trained: of curves that stop early, later means would be of fewer and fewer seeds."""
    n, luck = LINES + 5, random.Random(2)
    ends = [0.7 + luck.gauss(0, 0.1) for _ in range(n)]
    for seed in range(n):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            rows = [
                {"epoch": e, "train_accuracy": 0.9, "val_accuracy": ends[seed] + e / 1e3}
                for e in range(1, 30 + seed)
                if rate or seed < LINES
            ]
            store.write(fake(seed, changes=changes), rows, "")
    (c,) = (built := report.build([store.root])).comparisons
    told = curves(c, built.histories)
    assert len(told["runs"]["1"]) == LINES and set(told["bands"]) == {"2"} and "2" not in told["runs"]
    band = told["bands"]["2"]
    assert band["seeds"] == n and band["epochs"] == list(range(1, 30))
    low, high = (np.quantile(ends, q) for q in (0.1, 0.9))
    for epoch, val, gap in zip(band["epochs"], band["val"], band["gap"], strict=True):
        assert val == pytest.approx([100 * (v + epoch / 1e3) for v in (np.mean(ends), low, high)], rel=1e-3)
        assert gap == pytest.approx([90 - val[0], 90 - val[2], 90 - val[1]], abs=0.05)


def test_a_legend_has_only_the_verdicts_and_signs_of_its_chart(built: Any) -> None:
    for c in built.comparisons:
        for chart in charts(c):
            assert {kind for kind, _ in chart.kinds} == {row.kind for row in chart.rows}
            assert chart.hollow == any(not row.sure and row.kind != "untold" for row in chart.rows)
    text = report.render(built, "html")
    charted = re.findall(r'<div class="measure".*?<p class="legend">(.*?)</p>', text, re.S)
    assert len(charted) == sum(len(charts(c)) for c in built.comparisons)
    for legend, chart in zip(charted, (chart for c in built.comparisons for chart in charts(c)), strict=True):
        words = [" ".join(text.split()) for text in re.findall(r"</svg>([^<]*)<", legend)]
        assert words == [word for _, word in chart.kinds] + ["hollow: not confirmed"] * chart.hollow


def test_runs_without_a_course_have_no_curve(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(seed) for seed in range(3)))
    made = report.build([store.root])
    assert curves(made.comparisons[0], made.histories) == {}


def test_more_seeds_tell_smaller_differences(built: Any) -> None:
    told = slider(built.comparisons[0])
    sizes = [float(step.difference.split()[0]) for step in told.steps]
    assert sizes == sorted(sizes, reverse=True)
    assert told.steps[told.start].seeds == 8


def test_the_matrix_has_every_verdict(built: Any) -> None:
    told = matrix(built.comparisons)
    for c, row in zip(built.comparisons, told.rows, strict=True):
        for label, cell in zip(told.labels, row.cells, strict=True):
            assert cell.says.rstrip("?") == c.verdicts[label].direction
            assert cell.sure == c.verdicts[label].confirmed
        assert row.todo and todo(c).startswith(row.todo)
    assert overall(built.comparisons) == (
        "In 1 of 2 comparisons an arm does better than its baseline; in all of them an arm does worse"
    )


def test_scores_by_seed_are_all_there(built: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(seeds_csv(built))))
    assert len(rows) == 48
    for c in built.comparisons:
        for label in c.labels:
            mine = {
                int(r["seed"]): float(r["test_accuracy"])
                for r in rows
                if (r["comparison"], r["arm"]) == (c.title, label)
            }
            assert mine == pytest.approx(dict(c.scores(label, c.measure)))


def test_nothing_in_the_data_ends_its_element(fake: Any, fake_plan: Any, store: Any) -> None:
    name = "</script><img src=x>"
    records = {name: [], "none": []}
    for seed in range(2):
        for label, rate in (("none", 0.0), (name, 0.5)):
            record = fake(seed, changes={"dropout": "standard", "dropout.rate": rate} if rate else {})
            records[label].append(record)
            store.write(record, [{"epoch": e, "train_accuracy": 0.5, "val_accuracy": 0.4} for e in (1, 2)], "")
    store.write_plan(fake_plan(records, baseline=name))
    text = report.render(report.build([store.root], ["study=three_arm"]), "html")
    assert "<img" not in text
    data = re.search(r'id="curves">(.*?)</script>', text, re.S)
    assert json.loads(data[1])["1"]["against"] == name


PAPERS = [
    (file.stem, paper)
    for group in ("dropout", "regularizer")
    for file in sorted((CONF / group).glob("*.yaml"))
    for paper in re.findall(r"arXiv:(\d{4}\.\d{5})", file.read_text().partition("\n")[0])
]


@pytest.mark.parametrize(("part", "paper"), PAPERS)
def test_every_paper_that_a_part_names_is_in_its_bibliography(part: str, paper: str) -> None:
    assert f"eprint = {{{paper}}}" in bibliography({part})


def test_the_bibliography_is_of_parts_that_exist() -> None:
    text = bibliography({f.stem for g in ("dropout", "regularizer") for f in (CONF / g).glob("*.yaml")})
    whole = (Path(report.__file__).parent / "output/page/papers.bib").read_text()
    assert text.count("\n@") + 1 == whole.count("\n@")
    assert text.count("{") == text.count("}")
    assert bibliography({"none"}) == ""


def test_the_parts_of_a_run_are_its_variants_and_regularizers() -> None:
    config = OmegaConf.create({"dropout": [{"name": "locked"}, {"name": "weight_drop"}], "regularizer": {"sam": {}}})
    assert parts_of([OmegaConf.to_container(config)]) == {"locked", "weight_drop", "sam"}


@pytest.mark.parametrize(
    ("words", "typeset"),
    [
        ("-0.5 points (-1.2 to -0.1)", "−0.5 points (−1.2 to −0.1)"),
        ("Seeds: 0-7, from 2026-11-28", "Seeds: 0-7, from 2026-11-28"),
        ("1e-05, x=-1, --rope, run-3", "1e-05, x=-1, --rope, run-3"),
        ("right on 95 %", "right on 95\N{NO-BREAK SPACE}%"),
    ],
)
def test_only_what_is_a_minus_is_written_as_one(words: str, typeset: str) -> None:
    assert _typeset(words) == typeset
