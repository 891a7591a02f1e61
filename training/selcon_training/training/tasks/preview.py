"""What a configuration makes of its training data, drawn without a network: each sample beside its truth."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import cv2
import numpy as np

from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import DenseBatch, dense_items
from selcon_training.data.images import U8
from selcon_training.data.labels import part_kinds
from selcon_training.training.tasks.sources import training_sources

CELL_PIXELS = 4
"""Pixels of the input a map cell is taken for."""


def preview(config: TrainConfig, count: int, epoch: int = 0) -> tuple[U8, int]:
    """A contact sheet of the first `count` samples of an epoch, H x W x 3 uint8 RGB, and how many it shows.

    Truth is drawn in cells of CELL_PIXELS, whatever the network's are. Pictures held out for validation may
    be among them. Raises ConfigError for supervision: weak, DataError as training does.
    """
    if config.supervision == "weak":
        raise ConfigError("supervision = 'weak' has no truth to show: preview dense or mixed configurations")
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    actions = data.class_list(config.data.actions)
    items = [item for split in config.data.dense_splits for item in dense_items(data, split, actions)]
    size = config.data.input_size
    grid = (max(1, size[0] // CELL_PIXELS), max(1, size[1] // CELL_PIXELS))
    once = config.model_copy(update={"data": config.data.model_copy(update={"cache": False})})
    mixture = training_sources(once, data, items, actions, size, grid, parts=True)
    order = mixture.order(config.seed, epoch)[:count].tolist()
    return contact_sheet(mixture.batch(order, config.seed, epoch, 0), actions, part_kinds(data)), len(order)


COLUMNS = 4
PICTURE_WIDTH = 240
"""Pixels of a sample's picture; its truth is as wide."""
_LINE_HEIGHT, _GAP = 16, 4
_MAX_OPACITY = 0.75


def contact_sheet(batch: DenseBatch, actions: Sequence[str], parts: Sequence[str] | None = None) -> U8:
    """Draw a batch: every picture beside a dimmed copy with the truth of each action in a colour.

    Below a sample stand the actions it has (those whose truth is not known are left out), "nothing" where it
    has none, and the kinds of parts that its label map shows. Returns H x W x 3 uint8 RGB.
    """
    tiles = [_tile(batch, row, actions, parts) for row in range(len(batch.images))]
    columns = min(COLUMNS, len(tiles))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, len(tiles), columns)]
    return np.concatenate([_legend(actions, rows[0].shape[1]), *rows])


def colour_of(number: int, count: int) -> tuple[int, int, int]:
    """A colour (RGB) for one of `count` actions."""
    red, green, blue = colorsys.hsv_to_rgb(number / max(1, count), 0.9, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _tile(batch: DenseBatch, row: int, actions: Sequence[str], parts: Sequence[str] | None) -> U8:
    image, truth = batch.images[row], batch.truth[row]
    height = round(PICTURE_WIDTH * image.shape[0] / image.shape[1])
    small = cv2.resize(image, (PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)
    dimmed = small.astype(np.float32) * 0.5
    for number in range(len(actions)):
        shares = cv2.resize(truth[number], (PICTURE_WIDTH, height), interpolation=cv2.INTER_NEAREST)
        weight = _MAX_OPACITY * shares[:, :, None]
        dimmed = dimmed * (1 - weight) + np.array(colour_of(number, len(actions)), np.float32) * weight
    shown = [name for number, name in enumerate(actions) if truth[number].any()]
    lines = [", ".join(shown) or ("nothing" if batch.known[row].all() else "nothing known")]
    if batch.parts is not None:
        kinds = [kind for kind in np.unique(batch.parts[row]).tolist() if kind not in (0, 255)]
        named = [parts[kind] if parts and kind < len(parts) else str(kind) for kind in kinds]
        lines.append("parts: " + (", ".join(named) or "none") if (batch.parts[row] != 255).any() else "")
    both = np.concatenate([small, np.rint(dimmed).astype(np.uint8)], axis=1)
    text = np.full((_LINE_HEIGHT * len(lines), 2 * PICTURE_WIDTH, 3), 255, np.uint8)
    for place, line in enumerate(lines):
        _write(text, line, (2, _LINE_HEIGHT * place + 12), (0, 0, 0))
    tile = np.concatenate([both, text])
    return cv2.copyMakeBorder(tile, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))  # type: ignore[return-value]


def _legend(actions: Sequence[str], width: int) -> U8:
    across = max(1, width // 120)
    legend = np.full((_LINE_HEIGHT * math.ceil(len(actions) / across) + _GAP, width, 3), 255, np.uint8)
    for number, action in enumerate(actions):
        left, top = 120 * (number % across), _LINE_HEIGHT * (number // across)
        cv2.rectangle(legend, (left + 2, top + 4), (left + 12, top + 14), colour_of(number, len(actions)), -1)
        _write(legend, action, (left + 16, top + 14), (0, 0, 0))
    return legend


def _write(image: U8, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(image, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, 1, cv2.LINE_AA)
