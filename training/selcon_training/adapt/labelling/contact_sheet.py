"""A contact sheet of photos with their masks, by action, and what is odd about masks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.pictures.picture_files import write_image
from selcon_ros.core.text import one_line
from selcon_training.adapt.labelling.colours import Colour, colour_of
from selcon_training.adapt.labelling.layout import NEGATIVES
from selcon_training.adapt.photo_set import MAX_MASK_SHARE
from selcon_training.adapt.reading import read_photos
from selcon_training.adapt.shapes import Labelled, Shape
from selcon_training.data.images import U8, read_picture
from selcon_training.data.ordering import spread
from selcon_training.data.pairs import stored_as
from selcon_training.data.pictures import all_pictures
from selcon_training.errors import DataError
from selcon_training.reporting.answer_picture import outline
from selcon_training.reporting.tiles import DRAWING_FACTOR, Tile, band, enlarged, grid, placed, write_rows

MAX_PHOTOS = 160
"""Photos of an action, and photos of nothing, that a sheet shows; of more, so many, evenly spread."""
LARGE_SIZE = (1024, 1024)
"""Width and height that pictures in a folder fit."""
MAX_NAME_LENGTH = 80
"""Characters of a folder's name, at most."""
MASK_OPACITY = 0.5
"""How much of the photo the colour of a mask covers."""


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo and one action's mask on it.

    `share` of the photo that it covers, None where it cannot be read; `warning`: what is odd about it, or "".
    """

    photo: Labelled
    action: str
    share: float | None
    warning: str


@dataclass(frozen=True)
class Looks:
    """What was found in `folder`: masks by action and path, and photos that show nothing for any action."""

    folder: Path
    layout: str
    looks: list[LabelledPhoto]
    negatives: list[Path]

    @property
    def actions(self) -> list[str]:
        """The actions, sorted."""
        return sorted({look.action for look in self.looks})

    def of(self, action: str) -> list[LabelledPhoto]:
        """The masks of an action."""
        return [look for look in self.looks if look.action == action]

    def table(self) -> dict[str, dict[str, Any]]:
        """By action: photos, the median share of a photo that its masks cover, and warnings."""
        rows = {}
        for action in self.actions:
            looks = self.of(action)
            shares = [look.share for look in looks if look.share is not None]
            rows[action] = {
                "photos": len(looks),
                "median_share": median(shares) if shares else None,
                "warnings": sum(bool(look.warning) for look in looks),
            }
        return rows


def look_at(folder: Path, progress: Callable[[Sequence[Any]], Iterable[Any]] = list) -> Looks:
    """Read photos and masks in any layout that `selcon adapt` reads. Raises DataError."""
    layout, photos = read_photos(folder, folder / NEGATIVES if (folder / NEGATIVES).is_dir() else None)
    pairs = [(photo, action, shapes) for photo in photos for action, shapes in photo.shapes.items()]
    looks = [_labelled_photo(photo, action, shapes) for photo, action, shapes in progress(pairs)]
    place = folder / NEGATIVES
    negatives = all_pictures(place, NEGATIVES) if place.is_dir() else []
    return Looks(folder, layout, sorted(looks, key=lambda look: (look.action, look.photo.path)), negatives)


def write_sheet(path: Path, found: Looks) -> None:
    """Write all as one JPEG. Raises DataError, OSError."""
    rows = []
    for place, action in enumerate(found.actions):
        looks = found.of(action)
        shown = spread(looks, MAX_PHOTOS)
        more = f", {len(shown)} shown" if len(shown) < len(looks) else ""
        rows += [band([f"{action}: {len(looks)} photos{more}"])]
        rows += grid(
            [Tile(placed(_drawn(look, colour_of(place))), _text(look), not look.warning) for look in shown]
        )
    if found.negatives:
        rows += [band([f"nothing for any action: {len(found.negatives)} photos"])]
        rows += grid(
            [
                Tile(placed(enlarged(read_picture(path))), path.stem, True)
                for path in spread(found.negatives, MAX_PHOTOS)
            ]
        )
    write_rows(path, rows)


def write_folder(out: Path, found: Looks) -> int:
    """Write a JPEG for each photo and action into `out/ACTION/`; returns how many. Raises SelconError."""
    written: set[Path] = set()
    for place, action in enumerate(found.actions):
        for look in found.of(action):
            relative = look.photo.path.relative_to(found.folder).with_suffix("")
            name = "__".join(relative.parts[-2:])
            path = out / _folder_name(action) / f"{name}.jpg"
            number = 2
            while path in written:
                path, number = path.with_name(f"{name}_{number}.jpg"), number + 1
            written.add(path)
            write_image(path, _drawn(look, colour_of(place), LARGE_SIZE))
    return len(found.looks)


def _folder_name(name: str) -> str:
    """A label as the name of a folder: it comes from a file, and may be any text."""
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".")[:MAX_NAME_LENGTH] or "_"


def _labelled_photo(photo: Labelled, action: str, shapes: Sequence[Shape]) -> LabelledPhoto:
    if not shapes:
        return LabelledPhoto(photo, action, None, "no mask")
    try:
        size = stored_as(photo.path).upright
        share = float(_raster(photo, shapes, size).mean())
    except DataError as error:
        return LabelledPhoto(photo, action, None, one_line(str(error), 300))
    warning = (
        "empty"
        if share == 0
        else f"covers {100 * share:.0f} % of the photo"
        if share > MAX_MASK_SHARE
        else ""
    )
    return LabelledPhoto(photo, action, share, warning)


def _raster(photo: Labelled, shapes: Sequence[Shape], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The union of shapes at a size within LARGE_SIZE."""
    scale = min(1.0, LARGE_SIZE[0] / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return np.asarray(np.logical_or.reduce([shape.raster(size, small) for shape in shapes]))


def _drawn(look: LabelledPhoto, colour: Colour, *within: tuple[int, int]) -> U8:
    """The photo with the mask on it, where there is one."""
    drawn = enlarged(read_picture(look.photo.path), *within)
    if look.share:
        mask = _raster(look.photo, look.photo.shapes[look.action], stored_as(look.photo.path).upright)
        size = drawn.shape[1::-1]
        marked = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        drawn[marked] = (MASK_OPACITY * np.array(colour) + (1 - MASK_OPACITY) * drawn[marked]).astype(
            np.uint8
        )
        outline(drawn, mask, DRAWING_FACTOR)
    return drawn


def _text(look: LabelledPhoto) -> str:
    text = look.warning or f"{100 * (look.share or 0):.1f} %"
    return f"{look.photo.path.stem}  {text}"
