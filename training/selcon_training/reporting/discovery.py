"""Part discovery as pictures: one sheet per sample, in the manner of the paper's figures."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from selcon_ros.core.grounding.heatmap import upsample
from selcon_training.data.images import F32, U8
from selcon_training.reporting.trace import Exo, Mask, Trace

PICTURE_WIDTH, GAP, TITLE_HEIGHT = 240, 8, 24
"""Pixels: a picture's width, the space between pictures, and a title's height."""
DPI = 100
GREEN, CRIMSON = "#16a34a", "#e11d48"


class Panel(NamedTuple):
    """A picture h x PICTURE_WIDTH x 3 under a title; a framed one has the title's colour around it."""

    picture: U8
    title: str
    colour: str = "#0f172a"
    framed: bool = False


class Note(NamedTuple):
    """Text in the place of a picture."""

    text: str
    colour: str


Row = list[Panel | Note | None]


def sheet(trace: Trace) -> U8:
    """Return a picture H x W x 3 of everything in a trace.

    First row: the egocentric picture with affinity, saliency, CAM, heatmap and Q⁺. One row per exocentric
    picture: affinity, CAM, their product, what of it exceeds γ, and the map of the positive prototype. Last
    row: the candidates with their pIoU, and the same map on the egocentric picture.
    """
    rows = [_ego_row(trace)]
    exo = trace.exo
    if exo is not None:
        rows += [_exo_row(exo, number, trace.weak.gamma) for number in range(len(exo.images))]
        rows.append(_candidates(trace, exo))
    return _compose(f"{trace.sample.action} · {trace.sample.ego.name}", rows)


def _ego_row(trace: Trace) -> Row:
    ego, exo = trace.ego, trace.exo
    image = _small(ego.image)
    row: Row = [
        Panel(image, "egocentric"),
        Panel(_heat(image, ego.affinity), "affinity A ego"),
        Panel(_heat(image, ego.saliency, ego.saliency_mask), "saliency, outline: mask"),
        Panel(_heat(image, ego.cam), "CAM"),
        Panel(_heat(image, ego.heatmap), "heatmap"),
    ]
    if exo is not None:
        above = f"above ρ = {exo.rho:.3f}"
        level = f"{above}: part" if exo.part_level else f"none {above}: object"
        row.append(Panel(_area(image, exo.positive), f"Q⁺, {level}"))
    return row


def _exo_row(exo: Exo, number: int, gamma: float) -> Row:
    image, chosen = _small(exo.images[number]), exo.selected[number]
    return [
        Panel(image, f"exocentric {number + 1}"),
        Panel(_heat(image, exo.affinity[number]), "affinity A exo"),
        Panel(_heat(image, exo.cam[number]), "CAM"),
        Panel(_heat(image, exo.activation[number]), "CAM · A exo"),
        Panel(_area(image, chosen), f"above γ = {gamma:g}: {chosen.sum()} patches"),
        Panel(_heat(image, exo.exo_maps[number]), "part map" if exo.reliable else "object map instead"),
    ]


def _candidates(trace: Trace, exo: Exo) -> Row:
    image, weak = _small(trace.ego.image), trace.weak
    colour = GREEN if exo.reliable else CRIMSON
    few = exo.selected.sum() < weak.clusters
    lines = [
        "part discovery: " + ("reliable" if exo.reliable else "not reliable"),
        f"{exo.selected.sum()} patches: fewer than {weak.clusters}"
        if few
        else f"score {exo.score:.2f} {'≥' if exo.reliable else '<'} α = {weak.alpha:g}",
        "prototypes from the " + ("part" if exo.reliable else "object"),
    ]
    row: Row = [Note("\n".join(lines), colour)]
    for number, score in enumerate(exo.scores):
        picture = _heat(image, exo.candidates[number], exo.masks[number])
        title = f"candidate {number + 1}: pIoU {score:.2f}"
        best = number == exo.winner
        row.append(Panel(picture, title + ", best", colour, True) if best else Panel(picture, title))
    row += [None] * (5 - len(row))
    row.append(Panel(_heat(image, exo.ego_map), "part map, ego" if exo.reliable else "object map instead"))
    return row


def _compose(title: str, rows: list[Row]) -> U8:
    """Rows of panels on white. One axis for all: an axis per panel takes seconds."""
    heights = [max(panel.picture.shape[0] for panel in row if isinstance(panel, Panel)) for row in rows]
    columns = max(len(row) for row in rows)
    size = (
        sum(heights) + len(rows) * (TITLE_HEIGHT + GAP) + TITLE_HEIGHT + GAP,
        columns * (PICTURE_WIDTH + GAP) + GAP,
    )
    canvas = np.full((*size, 3), 255, np.uint8)
    figure = Figure(figsize=(size[1] / DPI, size[0] / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, size[1]), ylim=(size[0], 0))
    axes.text(size[1] / 2, GAP + TITLE_HEIGHT / 2, title, ha="center", va="center", fontsize=12)
    centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}
    top = TITLE_HEIGHT + GAP
    for row, height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = GAP + column * (PICTURE_WIDTH + GAP)
            middle = left + PICTURE_WIDTH / 2
            if isinstance(panel, Note):
                axes.text(middle, top + TITLE_HEIGHT + height / 2, panel.text, color=panel.colour, **centred)
            elif panel is not None:
                picture = panel.picture
                canvas[
                    top + TITLE_HEIGHT : top + TITLE_HEIGHT + picture.shape[0], left : left + PICTURE_WIDTH
                ] = picture
                axes.text(middle, top + TITLE_HEIGHT / 2, panel.title, color=panel.colour, **centred)
                if panel.framed:
                    corner = (left, top + TITLE_HEIGHT)
                    frame = Rectangle(
                        corner, PICTURE_WIDTH, picture.shape[0], fill=False, ec=panel.colour, lw=4
                    )
                    axes.add_patch(frame)
        top += TITLE_HEIGHT + height + GAP
    figure.figimage(canvas, zorder=-1)  # below the text
    rendering = FigureCanvasAgg(figure)
    rendering.draw()  # type: ignore[no-untyped-call]
    pixels: U8 = np.asarray(rendering.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels)


def _heat(image: U8, values: F32, outline: Mask | None = None) -> U8:
    """A map over its picture in grey, strongest where it is highest, with the outline of a mask."""
    heat = upsample(values, *image.shape[:2])
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_TURBO)[:, :, ::-1]
    share = (0.25 + 0.5 * heat)[..., None]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    picture: U8 = np.ascontiguousarray((1 - share) * grey + share * colours, np.uint8)
    return picture if outline is None else _outlined(picture, outline)


def _area(image: U8, mask: Mask) -> U8:
    """Patches shown as they are, all else darkened."""
    inside = _enlarged(image, mask)[..., None] > 0
    return _outlined(np.where(inside, image, image // 3).astype(np.uint8), mask)


def _outlined(image: U8, mask: Mask) -> U8:
    outlines, _ = cv2.findContours(_enlarged(image, mask), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(image, outlines, -1, (0, 0, 0), 3)
    cv2.drawContours(image, outlines, -1, (255, 255, 255), 1)
    return image


def _enlarged(image: U8, mask: Mask) -> U8:
    size = (image.shape[1], image.shape[0])
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]


def _small(image: U8) -> U8:
    height = max(1, round(PICTURE_WIDTH * image.shape[0] / image.shape[1]))
    return cv2.resize(image, (PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
