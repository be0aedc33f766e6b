"""Where long names break, on the page and in pictures."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench import report
from dropbench.report.output.breaks import folded, pieces
from dropbench.report.output.figures import draw

LONG = "none train.weight_decay=0.01"
TEXT = st.text(string.ascii_lowercase + string.digits + " .,=_[]", max_size=60)


def test_a_key_breaks_between_its_words_and_a_number_does_not() -> None:
    assert pieces(LONG) == ["none ", "train.", "weight_decay=", "0.01"]
    assert folded(LONG, 21) == "none train.\nweight_decay=0.01"


@given(TEXT, st.integers(1, 30))
def test_nothing_is_lost_and_no_line_is_longer(name: str, width: int) -> None:
    assert "".join(pieces(name)) == name
    told = folded(name, width)
    assert "".join(told.split()) == "".join(name.split())
    assert all(len(line) <= width for line in told.split("\n")) or not name.strip()


@pytest.fixture
def long_names(fake: Any, put: Any, store: Any) -> Any:
    """Four arms with long names, under three seeds, with epochs and three rates, which every kind of picture needs."""
    for seed in range(3):
        for decay in (0.0, 0.01):
            for rate in (0.0, 0.25, 0.3, 0.5):
                dropped = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                got = 0.8 + rate / 10 + seed / 100
                record = fake(seed, changes={"train.weight_decay": decay, **dropped}, test=got, val=got)
                store.write(
                    record,
                    [{"epoch": e, "train_accuracy": 1 - 1 / e, "val_accuracy": 0.9 - 0.9 / e} for e in range(1, 9)],
                    "",
                )
    return report.build([store.root])


def test_no_text_of_a_picture_is_cut_off(long_names: Any) -> None:
    drawn = [picture for pictures in draw(long_names) for picture in pictures]
    assert {p.name.partition("-")[0] for p in drawn} >= {"forest", "pairs", "rates", "curves"}
    for picture in drawn:
        figure = picture.figure
        figure.draw_without_rendering()
        texts = [
            t
            for t in figure.findobj(lambda o: hasattr(o, "get_text"))
            if re.search("[a-z]", t.get_text()) and t.get_visible()
        ]
        assert len(texts) > 3
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, (picture.name, text.get_text())


def test_the_page_lets_names_break(long_names: Any) -> None:
    page = report.render(long_names, "html", None)
    assert "none <wbr>train.<wbr>weight_decay=<wbr>0.01" in page
    assert "none train.weight_decay=0.01" in page  # elsewhere names are as they are
