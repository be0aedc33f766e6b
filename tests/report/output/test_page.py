"""The page: whole without a network or a script, true to the tables, and readable by everyone."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report
from dropbench.report.output.page import commands, sources
from dropbench.report.tables.answer import answer

CSS = Path(report.__file__).parent / "output" / "html" / "page.css"
VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}
STANDARD = {"dropout": "standard", "dropout.rate": 0.5}


class Tree(HTMLParser):
    """Tags in order with their attributes and texts; complains of one that is closed in the wrong place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def made(fake: Any, fake_plan: Any, store: Any) -> Any:
    """Two arms of a study over eight seeds, one better and one that does nothing, with names that HTML must escape."""
    noise = random.Random(1)
    arms: dict[str, list[Any]] = {"none": [], "a<b": [], "other & more": []}
    for seed in range(8):
        base = 0.9 + noise.gauss(0, 0.01)
        for name, rate, plus in (("none", 0.0, 0.0), ("a<b", 0.5, 0.02), ("other & more", 0.1, 0.0)):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            arms[name].append(fake(seed, changes=changes, test=base + plus + noise.gauss(0, 0.003)))
    for record in (r for records in arms.values() for r in records):
        store.write(record, [{"epoch": e, "train_loss": 1 / e, "val_loss": 2 / e} for e in (1, 2, 3)], "")
    overrides = ["study=three_arm", "seed=range(0,8)", "dropout.rates={input: 0.2}"]
    store.write_plan(fake_plan(arms, overrides=overrides, question="Is 1 < 2?"))
    return report.build([store.root], ["study=three_arm"])


@pytest.fixture
def page(made: Any) -> str:
    return report.render(made, "html")


def test_it_is_one_file_without_a_network(page: str) -> None:
    tree = Tree(page)
    assert page.startswith("<!doctype html>")
    assert not any(a.get("src") for _, a in tree.tags)
    links = [a for _, a in tree.tags if "href" in a]
    assert all(str(a["href"]).startswith("data:" if "download" in a else "#") for a in links)
    ids = {a["id"] for _, a in tree.tags if a.get("id")}
    assert {str(a["href"])[1:] for a in links if "download" not in a} <= ids
    assert not re.search(r"@import|url\((?!#|`|\$)|https?://(?!www\.w3\.org)", page)
    assert "default-src 'none'" in page
    assert not tree.of("img")


def test_what_it_says_is_in_its_text_and_not_in_its_script(made: Any, page: str) -> None:
    text = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    for words in ("Is 1 &lt; 2?", "a&lt;b is better (", "other &amp; more ", "paired seeds", "<h3>Notes</h3>"):
        assert words in text
    assert "<b>" not in text and "a<b" not in text
    (comparison,) = made.comparisons
    cells = Tree(page).texts["td"]
    assert all(way in cells or f"{way}?" in cells for way in comparison.table["direction"] if way)


def test_a_screen_reader_finds_its_way(page: str) -> None:
    tree = Tree(page)
    assert tree.of("html")[0]["lang"] == "en"
    assert tree.texts["title"][0].strip()
    assert [len(tree.of(t)) for t in ("main", "header", "h1")] == [1, 1, 1]
    levels = [int(t[1]) for t, _ in tree.tags if re.fullmatch("h[1-6]", t)]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for a in tree.of("th"))
    assert len(tree.of("caption")) == len(tree.of("table")) - 1  # the last one has its heading
    assert tree.of("svg")
    # What a picture shows is said beside it or in its name: those of the chart and its legend stand beside their numbers.
    told = [a for a in tree.of("svg") if a.get("role") == "img"]
    assert all(len(a.get("aria-label") or "") > 80 for a in told)
    rest = [a for a in tree.of("svg") if a.get("role") != "img"]
    assert all(
        a.get("aria-hidden") == "true" or a.get("class") == "mark" for a in rest
    )  # a mark is within a hidden one
    assert len(tree.of("figcaption")) == len(tree.of("figure")) == len(told)
    ids = [a["id"] for _, a in tree.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in tree.tags if a.get("aria-labelledby")} <= set(ids)
    regions = [a["aria-label"] for a in tree.of("div") if a.get("role") == "region"]
    assert len(regions) == len(set(regions)) > 0
    assert any("width=device-width" in str(a.get("content")) for a in tree.of("meta"))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    if len(colour) == 4:
        colour = "#" + "".join(2 * c for c in colour[1:])
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_has_it() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
def test_contrast_in_every_theme(theme: int) -> None:
    themes = [
        dict(re.findall(r"--(\w+): (#\w+);", part)) for part in re.findall(r":root \{(.*?)\}", CSS.read_text(), re.S)
    ]
    assert len(themes) == 3
    colours = themes[0] | themes[theme]
    for ink in ("ink", "soft", "mark"):
        for paper in ("paper", "shade"):
            assert contrast(colours[ink], colours[paper]) >= 4.5
    for line in ("blue", "vermillion", "green"):  # the lines of every picture but those of many series
        assert contrast(colours[line], colours["paper"]) >= 3


def test_commands_can_be_pasted(made: Any, page: str) -> None:
    assert commands(made) == ["dropbench sweep study=three_arm 'seed=range(0,8)' 'dropout.rates={input: 0.2}'"]
    assert any("seed=range(0,8)" in text for text in Tree(page).texts["pre"])


def test_versions_and_hardware(made: Any) -> None:
    told = dict(sources(made))
    assert told["torch"] == "2.13.0"
    assert told["device"] == "cpu"
    assert told["runs"] == "completed (24 runs)"
    assert told["training"] == "84 s, added up over all processes"


def test_mixed_versions_are_counted(fake: Any, put: Any, store: Any) -> None:
    put(fake(0), fake(1), fake(2, device="cuda:0", git_commit=None))
    told = dict(sources(report.build([store.root])))
    assert told["device"] == "cpu (2 runs), cuda:0 (1 run)"
    assert told["git commit"] == "c0ffee (2 runs), unknown (1 run)"
    assert "3 runs are in no stored sweep" in report.render(report.build([store.root]), "html")


def test_the_answer_is_the_tables(made: Any) -> None:
    (comparison,) = made.comparisons
    row = comparison.table.set_index("arm").loc["a<b"]
    mean, low, high = (100 * row[f"test_accuracy_diff_{part}"] for part in ("mean", "low", "high"))
    said = answer(comparison)
    assert said.startswith("Against none, on test accuracy: a<b is better (")
    assert f"({mean:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}, 8 paired seeds)" in said


def test_few_seeds_name_no_winner(fake: Any, put: Any, store: Any) -> None:
    for seed in range(3):
        put(fake(seed, test=0.8 + 0.01 * seed), fake(seed, changes=STANDARD, test=0.9 + 0.011 * seed))
    said = answer(report.build([store.root]).comparisons[0])
    assert "standard 0.5 is better, unconfirmed (+10.10 points" in said
    assert said.endswith("With 3 seeds nothing is confirmed: it takes at least 6.")


def test_of_many_arms_only_the_chosen_is_named(fake: Any, put: Any, store: Any) -> None:
    noise = random.Random(2)
    for seed in range(7):
        put(fake(seed, test=0.9 + noise.gauss(0, 0.01)))
        for rate in (0.1, 0.2, 0.3, 0.4, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate}
            best = 0.05 * (rate == 0.4)
            put(fake(seed, changes=changes, val=0.9 + best + noise.gauss(0, 0.01), test=0.9 + noise.gauss(0, 0.01)))
    said = answer(report.build([store.root]).comparisons[0])
    assert "standard 0.4, its rate chosen on validation data, cannot be told apart (" in said
    assert said.count("standard") == 1
    assert "of the other arms, 4 cannot be told apart" in said


def test_of_many_arms_those_with_a_confirmed_verdict_are_named(fake: Any, put: Any, store: Any) -> None:
    """Confirmed allows for the number of arms, so a name is no lucky one."""
    noise = random.Random(2)
    names = ["standard", "spatial", "gaussian", "alpha", "locked", "unscaled"]
    for seed in range(9):
        put(fake(seed, test=0.8 + noise.gauss(0, 0.002)))
        for name in names:
            gain = {"gaussian": 0.05, "alpha": -0.05}.get(name, 0.0)
            changes = {"dropout": name, "dropout.rate": 0.2}
            put(fake(seed, changes=changes, val=0.8, test=0.8 + gain + noise.gauss(0, 0.002)))
    said = answer(report.build([store.root]).comparisons[0])
    assert "1 better (gaussian 0.2)" in said and "1 worse (alpha 0.2)" in said
    assert "standard" not in said and "locked" not in said


def test_of_many_arms_none_is_named_whose_verdict_is_not_confirmed(fake: Any, put: Any, store: Any) -> None:
    noise = random.Random(2)
    for seed in range(3):
        put(fake(seed, test=0.8 + noise.gauss(0, 0.002)))
        for name in ("standard", "spatial", "gaussian", "alpha", "locked"):
            test = 0.8 + 0.05 * (name == "gaussian") + noise.gauss(0, 0.002)
            put(fake(seed, changes={"dropout": name, "dropout.rate": 0.2}, val=0.8, test=test))
    said = answer(report.build([store.root]).comparisons[0])
    assert "1 better (unconfirmed)" in said and "gaussian" not in said


@pytest.mark.parametrize("arms", [[{}], [STANDARD], [STANDARD, {"dropout": "standard", "dropout.rate": 0.2}]])
def test_without_a_comparison_there_is_a_page_all_the_same(fake: Any, put: Any, store: Any, arms: Any) -> None:
    put(*(fake(0, changes=changes) for changes in arms))
    page = report.render(report.build([store.root]), "html")
    assert "No verdict: " in page
    Tree(page)


def test_failed_runs_alone_make_a_page(fake: Any, put: Any, store: Any) -> None:
    put(fake(0, status="failed", reason="no memory"), fake(0, changes=STANDARD, status="diverged", reason="loss"))
    assert "no memory" in report.render(report.build([store.root]), "html")


def test_a_pivot_is_a_page(fake: Any, put: Any, store: Any) -> None:
    for seed in range(2):
        put(*(fake(seed, changes={"model": m, **c}) for m in ("mlp", "cnn") for c in ({}, STANDARD)))
    page = report.render(report.pivot([store.root], rows="dropout", cols="model"), "html")
    assert Tree(page).texts["h1"] == ["Test accuracy by dropout and model"]
    assert len(Tree(page).of("svg")) == 1


def test_from_the_command_line(made: Any, store: Any, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "page.html"
    words = ["report", str(store.root), "study=three_arm", "--where", "seed<=5"]
    assert "written to" in dropbench(capsys, *words, "--format", "html", "--out", str(file)).err
    Tree(file.read_text())
    assert f"dropbench report {store.root} study=three_arm --where &#39;seed&lt;=5&#39;" in file.read_text()
    assert dropbench(capsys, *words, "--format", "html").out.startswith("<!doctype html>")
