"""Tables of figures, plots and pictures of the trainer's pages."""

from html import escape

import numpy as np
import pytest

from selcon_training.reporting.page import MAX_PANEL_WIDTH, Shown, figures_table, number, render, side_by_side
from selcon_training.reporting.svg import BLUE, Plot, drawing
from support.pages import Page, checked_page

COLUMNS = [
    ("n", "queries", "count"),
    ("kld", "KLD", "figure"),
    ("right", "right part, %", "%"),
    ("d", "mm", "mm"),
]
ROWS = {
    "hold": {"n": 3, "kld": 0.5, "right": None, "d": None},
    "<pour>": {"n": 4, "kld": 1.0, "right": 0.25, "d": None, "intervals": {"right": [0.125, 0.5]}},
}


@pytest.mark.parametrize(
    ("value", "form", "ends", "told"),
    [
        (0.6523, "%", None, "65.2"),
        (0.6523, "%", [0.5, 0.73456], "65.2 [50.0, 73.5]"),
        (0.0041, "mm", None, "4.1"),
        (None, "figure", [1, 2], "–"),
        (0, "count", None, "0"),
        ({"mean": 0.5, "std": 0.25, "n": 2}, "figure", None, "0.500 ± 0.250"),
        ({"mean": 0.5, "std": None, "n": 1}, "%", None, "50.0"),
        ({"mean": None, "std": None, "n": 0}, "%", None, "–"),
        ({"mean": 6.0, "std": 0.0, "n": 2}, "count", None, "6"),
    ],
)
def test_numbers_are_told_with_what_is_known_of_them(value, form, ends, told):
    assert number(value, form, ends) == told


def test_a_table_has_intervals_and_no_column_without_a_figure():
    text = figures_table(ROWS, COLUMNS, "n = 7", {"hold": {"kld": [0.25, 0.75]}})
    assert "0.500 [0.250, 0.750]" in text and "25.0 [12.5, 50.0]" in text and ">1.000<" in text
    assert ">mm<" not in text and '<th scope="row">&lt;pour&gt;</th>' in text
    upright = figures_table(ROWS, COLUMNS, "n = 7", upright=True)
    assert upright.count("<tr") == 4 and '<th scope="row">right part, %</th><td>–</td><td>25.0' in upright


def test_pictures_stand_side_by_side_and_small_ones_stay_small():
    shown = [side_by_side([np.zeros((30, width, 3), np.uint8)] * 2) for width in (40, 1000)]
    assert all(source.startswith("data:image/jpeg;base64,") for source in shown)
    assert MAX_PANEL_WIDTH < 1000 and len(shown[0]) < len(shown[1])


def test_plots_take_the_page_s_colour_and_keep_apart(tmp_path):
    with drawing(2.0) as made:
        made.axes.plot([0, 1], [0, 1], "o-", color=BLUE, label="one")
        made.axes.set(xlabel="share, %")
        made.axes.legend()
    plot = Plot("Title <1>", made.svg, "n = 2 points.")
    assert "currentColor" in made.svg and "#000000" not in made.svg and "share, %</text>" in made.svg
    (tmp_path / "two.html").write_text(
        "{% for each in plots %}{{ plot(each) }}{% endfor %}{{ picture(one) }}"
    )
    one = Shown("data:image/jpeg;base64,", "a mug", "heat on a mug", wrong=True)
    (tmp_path / "page.html").write_bytes(
        render("two.html", "T", folder=tmp_path, plots=[plot, plot], one=one)
    )
    text = checked_page(tmp_path / "page.html")
    assert text.count("<b>Title &lt;1&gt;.</b> n = 2 points.") == 2
    assert Page(text).captions[-1] == ("picture", "a mug")


@pytest.mark.filterwarnings("error")
def test_names_in_plots_may_have_any_signs():
    names = ["$_$", "a^{$x$", "日本", "<b>"]
    with drawing(2.0) as made:
        made.axes.set_yticks(range(len(names)), names)
    assert all(f">{escape(name)}</text>" in made.svg for name in names)
