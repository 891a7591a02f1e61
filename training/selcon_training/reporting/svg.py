"""Plots as inline SVG, readable on a light and on a dark page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from warnings import catch_warnings, filterwarnings

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Half-way between light and dark.
BLUE, CRIMSON, GREY = "#3b82f6", "#e11d48", "#7c8aa0"
TEXT_COLOUR = "#000000"
"""Becomes the page's colour of text."""
WIDTH_INCHES = 4.4
"""Inches: a phone shows it in about its own size."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.transparent": True,
    "text.parse_math": False,  # names of folders may have any signs
    "svg.fonttype": "none",
    "svg.hashsalt": "selcon",  # the same figures give the same file
}


class Plot(NamedTuple):
    """A plot with its title, and a caption that says of how many it is and what its intervals are."""

    title: str
    svg: str
    caption: str


@dataclass
class Drawing:
    """Axes to draw in, and what is drawn as inline SVG, afterwards."""

    axes: Axes
    svg: str = ""


@contextmanager
def drawing(height: float) -> Iterator[Drawing]:
    """Draw a plot of `height` inches: in the context into `axes`, which are then in `svg`."""
    with matplotlib.rc_context(STYLE), catch_warnings():
        # Text stays text: the page has other fonts than matplotlib.
        filterwarnings("ignore", r"Glyph \d+ ", UserWarning)
        figure = Figure(figsize=(WIDTH_INCHES, height))
        made = Drawing(figure.subplots())
        yield made
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata=nothing)
        made.svg = _inline(stream.getvalue())


def _inline(text: str) -> str:
    """What a page takes of an SVG file: no style of its own, no addresses, no names that none refers to."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r' (xmlns(:\w+)?|id)="[^"]*(/|_)[^"]*"', "", text)
    return text.replace("xlink:href", "href").replace(TEXT_COLOUR, "currentColor")
