"""What all HTML pages share: templates, number formats, embedded pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from selcon_training.data.images import U8

FOLDER = Path(__file__).parent
"""Of the templates."""


def render(template: str, *, folder: Path = FOLDER, **values: Any) -> str:
    """Fill in a template of `folder`, which may include those of this one."""
    environment = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "figure": _figure,
        "percent": _percent,
        "millimetres": _millimetres,
        "spread": spread,
        "interval": interval,
    }
    return environment.get_template(template).render(**values)


def embedded(image: U8, width: int | None = None) -> str:
    """A picture H x W x 3 as the source of an <img>, made `width` pixels wide."""
    if width is not None:
        height = max(1, round(width * image.shape[0] / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def spread(figure: dict[str, Any], factor: float = 1.0, digits: int = 3) -> str:
    """`mean ± standard deviation` of a figure over seeds."""
    if figure["mean"] is None:
        return "–"
    mean = f"{factor * figure['mean']:.{digits}f}"
    return mean if figure["std"] is None else f"{mean} ± {factor * figure['std']:.{digits}f}"


def interval(ends: Sequence[float] | None, factor: float = 1.0, digits: int = 2) -> str:
    """`[low, high]`; empty where there is none."""
    return "" if ends is None else f"[{', '.join(f'{factor * end:.{digits}f}' for end in ends)}]"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _millimetres(value: float | None) -> str:
    return "–" if value is None else f"{1000 * value:.1f}"
