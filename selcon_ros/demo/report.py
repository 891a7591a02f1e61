"""What the demo leaves behind: pictures, JSON, a contact sheet and a table."""

from __future__ import annotations

import math
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.demo.results import ActionResult

Picture = NDArray[np.uint8]

_TILE_WIDTH, _CAPTION_HEIGHT, _GAP, _TITLE_HEIGHT = 480, 56, 14, 64
_BACKGROUND, _BRIGHT, _DIM = (32, 29, 27), (240, 240, 240), (170, 166, 162)


def write_results(out: Path, results: list[ActionResult]) -> None:
    """Write ACTION.png, ACTION.json per result, and summary.json, into `out`."""
    for result in results:
        # An action's name comes from a bundle, and is anything.
        name = re.sub(r"[^\w -]", "_", result.action)
        if result.overlay is not None:
            write_png(out / f"{name}.png", result.overlay)
        write_json(out / f"{name}.json", result.to_json())
    write_json(out / "summary.json", [result.to_json() for result in results])


def write_png(path: Path, bgr: Picture) -> None:
    """Write an H×W×3 uint8 BGR picture; raises OSError where it cannot be written."""
    _, data = cv2.imencode(".png", np.ascontiguousarray(bgr))
    write_file(path, data.tobytes())


def contact_sheet(results: list[ActionResult], title: str) -> Picture:
    """All overlays in one picture, H×W×3 uint8 BGR, each with its action, part and distance below it."""
    shown = [result for result in results if result.overlay is not None]
    columns = min(4, max(1, math.ceil(math.sqrt(len(shown)))))
    tiles = [_tile(result) for result in shown]
    height = max((tile.shape[0] for tile in tiles), default=0)
    rows = math.ceil(len(tiles) / columns)
    sheet = np.empty(
        (_TITLE_HEIGHT + rows * (height + _GAP) + _GAP, columns * (_TILE_WIDTH + _GAP) + _GAP, 3), np.uint8
    )
    sheet[:] = _BACKGROUND
    _write(sheet, title, (_GAP + 4, 42), 0.9, _BRIGHT)
    for index, tile in enumerate(tiles):
        y = _TITLE_HEIGHT + (index // columns) * (height + _GAP)
        x = _GAP + (index % columns) * (_TILE_WIDTH + _GAP)
        sheet[y : y + tile.shape[0], x : x + _TILE_WIDTH] = tile
    return sheet


def table(results: list[ActionResult]) -> Table:
    """One line per action; distances in millimetres, times in milliseconds."""
    view = Table(title="Grasp points in the camera's optical frame, against the recording's truth")
    view.add_column("action", style="bold")
    view.add_column("object")
    for heading in (
        "grasp point, mm",
        "from true part, mm",
        "latency median, ms",
        "p95, ms",
        "grasped / frames",
    ):
        view.add_column(heading, justify="right")
    for result in results:
        numbers = result.to_json()
        position = numbers["grasp_points"][0]["position_mm"] if numbers["grasp_points"] else None
        part = result.nearest
        view.add_row(
            result.action,
            f"{part.label.object} ({part.label.part})" if part else "–",
            " ".join(f"{value:.0f}" for value in position) if position else "–",
            _text(1e3 * part.distance if part else None),
            _text(numbers["latency_ms"]["median"]),
            _text(numbers["latency_ms"]["p95"]),
            f"{result.grasped} / {result.frames}",
            style="red" if result.missing else "",
        )
    return view


def _tile(result: ActionResult) -> Picture:
    assert result.overlay is not None
    height = round(result.overlay.shape[0] * _TILE_WIDTH / result.overlay.shape[1])
    tile = np.empty((height + _CAPTION_HEIGHT, _TILE_WIDTH, 3), np.uint8)
    tile[:] = (46, 42, 39)
    tile[:height] = cv2.resize(result.overlay, (_TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    part = result.nearest
    if part is None:
        line = result.notes or "no part in the truth to compare with"
    else:
        line = f"{part.label.object}: {part.label.part}, grasp point {1e3 * part.distance:.1f} mm from it"
    _write(tile, result.action, (12, height + 24), 0.66, _BRIGHT)
    _write(tile, line, (12, height + 46), 0.46, _DIM)
    return tile


def _write(
    picture: Picture, text: str, place: tuple[int, int], scale: float, colour: tuple[int, ...]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_DUPLEX, scale, colour, 1, cv2.LINE_AA)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
