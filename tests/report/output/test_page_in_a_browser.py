"""The page in a browser: what clicks and keys do, that it fits every width, and that no check of accessibility finds fault."""

from __future__ import annotations

import random
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.cli.ui import Place, Shelf, server
from dropbench.report.output.page import page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser is driven by playwright, which is not installed"
)
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
ALONE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A browser that asks nobody for anything."""
WIDTHS = (1440, 820, 390)
MADE: dict[tuple[str, ...], str] = {}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(ALONE))
        yield opened
        opened.close()


@pytest.fixture
def page_of(fake: Any, store: Any, tmp_path: Path) -> Any:
    """Writes the page of some models with five arms each and returns its file; it is made once for all tests."""
    file = tmp_path / "page.html"

    def write(*models: str) -> Path:
        if models not in MADE:
            make(models)
            MADE[models] = file.read_text()
        file.write_text(MADE[models])
        return file

    def make(models: tuple[str, ...]) -> None:
        luck = random.Random(1)
        for model in models:
            for seed in range(8):
                base = 0.8 + luck.gauss(0, 0.01)
                for rate, plus in ((0.0, 0.0), (0.1, 0.04), (0.3, 0.0), (0.5, -0.02), (0.9, -0.3)):
                    dropped = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                    score = base + plus + luck.gauss(0, 0.002)
                    record = fake(seed, changes={"model": model, **dropped}, test=score, val=score)
                    rows = [
                        {"epoch": e, "train_accuracy": 1 - 1 / e, "val_accuracy": score - 0.5 / e} for e in range(1, 20)
                    ]
                    store.write(record, rows, "")
        report.write(replace(report.build([store.root]), command="dropbench report"), "html", file)

    return write


@pytest.fixture
def opened(browser: Any, page_of: Any) -> Iterator[Any]:
    """Opens the page in a window of some width; a fault of its script fails the test."""
    contexts, faults = [], []

    def show(*models: str, width: int = 1440, **how: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **how)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        tab.goto(page_of(*(models or ("mlp",))).as_uri())
        return tab

    yield show
    for context in contexts:
        context.close()
    assert faults == []


def names(tab: Any) -> list[str]:
    """The arms that the chart shows, from top to bottom."""
    rows = tab.locator(".measure:not([hidden]) .row:not([hidden]) .name").all_inner_texts()
    return [row.replace("\u2605", "").strip() for row in rows]


BY_DIFFERENCE = ["standard 0.1", "standard 0.3", "standard 0.5", "standard 0.9"]


def test_a_click_opens_an_arm_beside_the_chart(opened: Any) -> None:
    tab = opened()
    assert names(tab) == BY_DIFFERENCE
    tab.locator(".measure:not([hidden]) .row a", has_text="standard 0.5").click()
    arm = tab.locator(".arm.chosen")
    assert arm.locator("summary strong").inner_text() == "standard 0.5"
    assert arm.locator(".curves path.ours.mean").count() == 2  # validation, and the gap below
    assert arm.locator(".curves path.ours:not(.mean)").count() == 16
    assert arm.locator("tbody tr").first.is_visible()
    assert tab.url.endswith("#arm-1-4")
    chart, panel = tab.locator(".chart").bounding_box(), arm.bounding_box()
    assert panel["x"] > chart["x"] + chart["width"] - 1


def test_of_many_seeds_bands_are_drawn(opened: Any, fake: Any, store: Any, tmp_path: Path) -> None:
    """One line a seed would be a tangle; the caption says what is drawn instead, and how far."""
    for seed in range(40):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            rows = [
                {"epoch": e, "train_accuracy": 0.9, "val_accuracy": 0.8 + seed / 1e3 - 0.5 / e}
                for e in range(1, 12 + seed)
            ]
            store.write(fake(seed, changes=changes, test=0.8 + seed / 1e3), rows, "")
    report.write(report.build([store.root]), "html", tmp_path / "many.html")
    tab = opened()
    tab.goto((tmp_path / "many.html").as_uri())
    arm = tab.locator(".arm.chosen")
    assert arm.locator(".curves path.ours.band").count() == arm.locator(".curves path.theirs.band").count() == 2
    assert arm.locator(".curves path").count() == 8  # a band and a mean of both arms in both panels
    caption = arm.locator(".curves .caption").inner_text()
    assert "(40)" in caption and "none up to epoch 11, standard 0.5 up to epoch 11" in caption
    box = arm.locator(".curves path.ours.band").first.bounding_box()
    assert box["width"] > 100 and 0 < box["height"] < 400


def test_verdicts_to_choose_from_are_those_of_the_measure_shown(opened: Any) -> None:
    tab = opened()
    for measure in ("test_loss", "gap_accuracy", "test_accuracy"):
        tab.get_by_label("Show").select_option(measure)
        shown = tab.locator(f".measure[data-measure={measure}]")
        kinds = {row.get_attribute("data-kind") for row in shown.locator(".row").all()}
        offered = tab.evaluate(
            "[...document.querySelector('[name=kind]').options].filter((o) => !o.hidden).map((o) => o.value)"
        )
        assert set(offered) == kinds | {""}
        visible = [key for key in tab.locator(".legend .key").all() if key.is_visible()]
        assert {key.get_attribute("class").split()[1] for key in visible} >= kinds


def test_an_address_of_an_arm_opens_it(opened: Any) -> None:
    tab = opened()
    tab.goto(f"{tab.url.partition('#')[0]}#arm-1-5")
    tab.reload()
    assert tab.locator(".arm.chosen summary strong").inner_text() == "standard 0.9"


def test_keys_alone_will_do(opened: Any) -> None:
    tab = opened(width=820)
    tab.locator(".row a").first.focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.textContent").startswith("standard 0.3")
    assert tab.locator(".arm[open] summary strong").all_inner_texts() == ["standard 0.3"]


def test_arms_are_sought_filtered_and_sorted(opened: Any) -> None:
    tab = opened()
    tab.get_by_label("Search").fill("0.5")
    assert names(tab) == ["standard 0.5"]
    assert tab.locator(".controls output").inner_text() == "1 of 4 arms"
    tab.get_by_label("Search").fill("")
    tab.get_by_label("Verdict").select_option("worse")
    assert names(tab) == ["standard 0.5", "standard 0.9"]
    tab.get_by_label("Verdict").select_option("")
    tab.get_by_label("Show").select_option("test_loss")
    assert names(tab) == BY_DIFFERENCE
    assert "Test loss minus that of no dropout" in tab.locator(".measure:not([hidden]) .caption").inner_text()
    tab.get_by_label("Order").select_option("number")
    assert names(tab) == ["standard 0.1", "standard 0.3", "standard 0.5", "standard 0.9"]


def test_the_slider_says_what_more_seeds_would_tell(opened: Any) -> None:
    tab = opened()
    slider, said = tab.get_by_role("slider", name="Seeds"), tab.locator(".slide output")
    now = said.inner_text()
    assert now.startswith("With 8 seeds a difference of ")
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert said.inner_text().startswith("With 10 seeds a difference of ") and said.inner_text() != now


def test_what_can_be_copied_and_saved(opened: Any) -> None:
    tab = opened(permissions=["clipboard-read", "clipboard-write"])
    command = tab.locator(".command").last
    command.get_by_role("button").click()
    playwright.expect(command.get_by_role("button")).to_have_text(re.compile("copied|press Ctrl-C"))
    with tab.expect_download() as saving:
        tab.get_by_role("link", name="Scores by seed (CSV)").click()
    rows = Path(saving.value.path()).read_text().splitlines()
    assert rows[0].startswith("comparison,arm,seed,status,") and len(rows) == 1 + 40
    with tab.expect_download() as saving:
        tab.get_by_role("link", name="Papers (BibTeX)").click()
    assert "srivastava2014dropout" in Path(saving.value.path()).read_text()
    for form, begin in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with tab.expect_download() as saving:
            tab.get_by_role("button", name=f"Save as {form}").first.click()
        drawn = Path(saving.value.path()).read_bytes()
        assert drawn.startswith(begin) and b"var(--" not in drawn


def test_a_page_that_is_served_shows_new_runs_by_itself(browser: Any, fake: Any, put: Any, store: Any) -> None:
    put(fake(0))
    stored = ["1 run"]
    shelf = Shelf(
        lambda: page(report.build([store.root]), None, live=True), lambda: stored[0], lambda: f"{stored[0]} has ended"
    )
    served = server(shelf, Place("127.0.0.1", 0))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{served.server_port}/")
        playwright.expect(tab.locator("#live")).to_have_text("1 run has ended")
        assert "Only none was run" in tab.locator("h1").inner_text()
        put(fake(0, changes={"dropout": "standard", "dropout.rate": 0.5}))
        stored[0] = "2 runs"
        playwright.expect(tab.locator("h1")).not_to_contain_text("Only none was run", timeout=30_000)
        tab.close()
    finally:
        served.shutdown()
        served.server_close()


def test_in_the_frame_of_a_notebook_nothing_leads_out_of_it(browser: Any, page_of: Any, tmp_path: Path) -> None:
    faults: list[str] = []
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f'<iframe srcdoc="{escape(page_of("mlp").read_text())}" width="1300" height="800"></iframe>')
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(notebook.as_uri())
    frame = tab.frame_locator("iframe")
    frame.locator(".measure:not([hidden]) .row a", has_text="standard 0.5").click()
    assert frame.locator(".arm.chosen summary strong").inner_text() == "standard 0.5"
    frame.get_by_role("link", name="How we know").click()
    assert frame.locator("h1").inner_text().startswith("standard 0.1 does better")
    tab.close()
    assert faults == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    tab = opened("mlp", "cnn", width=width)
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for row in tab.locator(".measure:not([hidden]) .row").all()[:4]:
        box, parts = row.bounding_box(), [p.bounding_box() for p in row.locator("a > *").all()]
        assert all(p["x"] + p["width"] <= box["x"] + box["width"] + 1 for p in parts)


def test_on_a_phone_the_verdict_comes_first(opened: Any) -> None:
    tab = opened(width=390)
    row = tab.locator(".row").first
    says, name = row.locator(".says").bounding_box(), row.locator(".name").bounding_box()
    assert says["y"] < name["y"]


def test_after_the_name_the_verdict_comes_first(opened: Any) -> None:
    tab = opened(width=1440)
    row = tab.locator(".row").first
    places = [row.locator(part).first.bounding_box()["x"] for part in (".name", ".says", ".strip", ".numbers")]
    assert places == sorted(places)


def test_without_a_script_it_can_be_read(opened: Any) -> None:
    tab = opened(java_script_enabled=False)
    assert tab.locator("h1").inner_text() == "standard 0.1 does better than no dropout; 2 arms do worse"
    assert tab.locator(".row").first.is_visible()
    assert not tab.locator(".controls").is_visible() and tab.locator(".steps").is_visible()
    tab.locator(".arm > summary").nth(1).click()
    assert tab.locator(".arm tbody tr").nth(9).is_visible()


def test_on_paper_everything_is_open(opened: Any) -> None:
    tab = opened()
    shut = tab.locator("details:not([open])").count()
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shut > 0 and tab.locator("details:not([open])").count() == 0
    tab.emulate_media(media="print")
    assert all(arm.is_visible() for arm in tab.locator(".arm").all())
    assert not tab.locator("nav").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details:not([open])").count() == shut
    assert tab.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("models", "width"), [(("mlp",), 1440), (("mlp", "cnn"), 390)])
def test_axe_finds_nothing(opened: Any, scheme: str, models: tuple[str, ...], width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = opened(*models, width=width, color_scheme=scheme, bypass_csp=True)
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
