"""What the trainer's HTML pages share: templates, tables of figures with intervals, embedded pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from selcon_ros.core.outputs.html_page import figure, image, page, table
from selcon_training.data.images import U8
from selcon_training.evaluate.bootstrap import RESAMPLES
from selcon_training.reporting.svg import Plot

TEMPLATE_FOLDER = Path(__file__).parent
"""Of the templates."""
MAX_PANEL_WIDTH = 480
"""Pixels of a picture's width, at most; several stand side by side."""
NUMBER_FORMATS = {
    "count": (1.0, ".0f"),
    "figure": (1.0, ".3f"),
    "%": (100.0, ".1f"),
    "mm": (1000.0, ".1f"),
    "ms": (1.0, ".1f"),
}
"""Factor and format of numbers; shares are kept as 0..1, lengths in metres."""
NO_VALUE = "–"
Row = Mapping[str, Any]
Column = tuple[str, str, str]
"""The key of a row, what stands above it, and one of NUMBER_FORMATS."""


class Shown(NamedTuple):
    """A picture of a page: the source of its <img>, what it shows in words, and whether that is a mistake."""

    source: str
    caption: str
    alt: str
    wrong: bool = False


def render(template: str, title: str, *, folder: Path = TEMPLATE_FOLDER, **values: Any) -> bytes:
    """The page that a template of `folder`, which may include those of this one, gives."""
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATE_FOLDER]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    numbers = count(1)

    def picture(each: Shown) -> Markup:
        shown = image(each.source, each.alt)
        return Markup(figure(shown, each.caption, f"#figure{next(numbers)}", wrong=each.wrong))

    def plot(each: Plot) -> Markup:
        name = f"figure{next(numbers)}"
        caption = Markup("<b>{}.</b> {}").format(each.title, each.caption)
        # Two plots may have markers of one name.
        own = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", each.svg)
        return Markup(figure(own, caption, f"#{name}", "plot"))

    shared: dict[str, Any] = {"picture": picture, "plot": plot, "table": figures_table, "number": number}
    environment.globals |= shared | {"brackets": brackets}
    return page(title, environment.get_template(template).render(**values)).encode()


def figures_table(
    rows: Mapping[str, Row],
    columns: Sequence[Column],
    caption: str,
    intervals: Mapping[str, Row] | None = None,
    marked: Collection[str] = (),
    upright: bool = False,
) -> Markup:
    """A table of figures, `{name: {key: figure}}`, with the interval of each in brackets behind it.

    Intervals are `intervals[name][key]`, else `row["intervals"][key]`. Upright: a row is a column, which a
    phone shows whole. Columns without any figure are left out.
    """
    columns = [each for each in columns if any(row.get(each[0]) is not None for row in rows.values())]
    lines = [["", *(heading for _, heading, _ in columns)]]
    for name, row in rows.items():
        own = (intervals or {}).get(name) or row.get("intervals") or {}
        lines.append([name, *(number(row.get(key), form, own.get(key)) for key, _, form in columns)])
    if upright:
        lines = [list(line) for line in zip(*lines, strict=True)]
    return Markup(table(lines[0], lines[1:], caption, marked))


def number(value: Any, form: str, ends: Sequence[float] | None = None) -> str:
    """A figure with its interval, `value [low, high]`; over seeds, `{"mean", "std"}`, `mean ± std`; a text as
    it is."""
    if isinstance(value, str):
        return value
    factor, digits = NUMBER_FORMATS[form]

    def formatted(one: float) -> str:
        return format(factor * one, digits)

    if isinstance(value, Mapping):
        mean, std = value["mean"], value["std"]
        return (
            NO_VALUE
            if mean is None
            else formatted(mean) + ("" if std is None or form == "count" else f" ± {formatted(std)}")
        )
    if value is None:
        return NO_VALUE
    return formatted(value) + ("" if ends is None else f" [{formatted(ends[0])}, {formatted(ends[1])}]")


def brackets(of: str) -> str:
    """What the brackets of a table are, where `of` are drawn."""
    return (
        f"In brackets: 95 % interval, bootstrap over {of} ({RESAMPLES} resamples); rough where there are "
        "few, none where there is one."
    )


def side_by_side(panels: Sequence[U8]) -> str:
    """Pictures H x W x 3 of one size as the source of an <img>, each at most MAX_PANEL_WIDTH wide."""
    width = min(MAX_PANEL_WIDTH, panels[0].shape[1])
    return embedded(np.concatenate(panels, axis=1), len(panels) * width)


def embedded(image: U8, width: int | None = None) -> str:
    """A picture H x W x 3 as the source of an <img>, made `width` pixels wide."""
    if width is not None:
        height = max(1, round(width * image.shape[0] / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
