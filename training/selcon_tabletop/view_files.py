"""Write the files of a rendered view: picture, truth maps and masks, depth and camera, or label maps."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.json_file import read_object
from selcon_tabletop.mesh_kinds import mesh_kinds
from selcon_tabletop.objects import KINDS, TRAINING_ONLY
from selcon_tabletop.parts import PART_KINDS
from selcon_tabletop.rendering import Rendered
from selcon_tabletop.scene import Scene
from selcon_tabletop.splits import Split

OBJECT_KINDS = (
    "background",
    *KINDS,
    *TRAINING_ONLY,
    *(kind for kind in mesh_kinds() if kind not in KINDS),  # made of meshes of files only
    "hand",
    "clutter",
)
PNG_OPTIONS = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12: a third of the time
    PNG_OPTIONS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
DEPTH_SCALE = 0.0001  # metres a step of the 16-bit depth files: 0.1 mm up to 6.5 m
MIN_PART_SHARE = 0.0008  # share of the image that a part must cover to be asked for: 246 pixels of 640×480
TRAIN_SHRINK = 2
"""Truth maps for training have sides of half the picture's: they are blurred, and there are many."""
WALL_PERCENT = 40
"""Weight in percent of a wall to hold in the truth maps for training where there is a handle, too."""
SCENERY_KINDS = ("background", "hand")
"""Part kinds of what belongs to no object and is still no clutter."""


def truth_map(mask: NDArray[np.uint8], shrink: int = 1) -> NDArray[np.uint8]:
    """Return the mask (weights of any scale) blurred as AGD20K's truth is, scaled to 0..255, `shrink` times
    smaller.

    It is blurred at a quarter of its size, where that takes a tenth of the time: the standard deviation, 8
    pixels of 448, is still two.
    """
    height, width = mask.shape
    small = cv2.resize(mask.astype(np.float32), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 0.018 * small.shape[1])
    blurred = cv2.resize(small, (width // shrink, height // shrink), interpolation=cv2.INTER_LINEAR)
    scale = 255 / max(float(blurred.max()), 1e-6)
    return np.asarray(cv2.convertScaleAbs(blurred, alpha=scale), np.uint8)


class ViewWriter:
    """Writes the files of one view under every action folder it belongs to, each distinct file once."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.folder, self.stem = folder, stem
        self._first: dict[str, str] = {}

    def write(
        self,
        kind: str,
        action: str,
        name: str,
        suffix: str,
        content: Callable[[], bytes],
        shared: bool = True,
    ) -> None:
        """Write `content`, or link to the file of this kind that is there already if it is `shared`."""
        folder = f"{self.folder}/{kind}/{action}/{name}"
        path = f"{folder}/{self.stem}{suffix}"
        try:
            self._put(kind, path, content, shared)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            self._put(kind, path, content, shared)
        except FileExistsError:  # of a scene that was stopped
            os.unlink(path)
            self._put(kind, path, content, shared)

    def _put(self, kind: str, path: str, content: Callable[[], bytes], shared: bool) -> None:
        if shared and kind in self._first:
            os.link(self._first[kind], path)
            return
        data = content()
        try:
            with open(path, "xb") as file:
                file.write(data)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as error:  # the disk is full: nothing half written stays
            Path(path).unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, path) from error
        self._first[kind] = path


def encoded(image: NDArray[np.generic], suffix: str) -> bytes:
    """Return an image as JPEG or PNG bytes."""
    if image.ndim == 3:
        image = cv2.cvtColor(np.asarray(image, np.uint8), cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == ".jpg" else PNG_OPTIONS
    done, data = cv2.imencode(suffix, np.ascontiguousarray(image), options)
    if not done:
        raise OSError(f"{suffix} encoding of a {image.shape} {image.dtype} image failed")
    return data.tobytes()


def labels(scene: Scene, view: Rendered) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two H×W uint8 maps of a view: index into PART_KINDS, and index into OBJECT_KINDS.

    Things that afford nothing are clutter; mats, furniture, table and floor are background.
    """
    parts, objects = [0], [0]
    for placed in scene.parts:
        kind = placed.part.kind if placed.owner >= 0 or placed.part.kind in SCENERY_KINDS else "clutter"
        parts.append(PART_KINDS.index(kind))
        name = scene.kinds[placed.owner] if placed.owner >= 0 else kind
        objects.append(OBJECT_KINDS.index(name))
    return _looked_up(view, parts), _looked_up(view, objects)


def _looked_up(view: Rendered, values: Sequence[int]) -> NDArray[np.uint8]:
    """Return for each pixel the value of what it shows: of nothing the first, then of each part."""
    index = view.placed + 1
    if len(values) > 256:
        return np.asarray(values, np.uint8)[index]
    table = np.zeros(256, np.uint8)
    table[: len(values)] = values
    return np.asarray(cv2.LUT(index.astype(np.uint8), table), np.uint8)


def _mask(
    view: Rendered, scene: Scene, wanted: Sequence[int], weights: Sequence[int] = ()
) -> NDArray[np.uint8]:
    """Return where the parts `wanted` are seen: 1, or the weight of each part, else 0."""
    values = [0] * (len(scene.parts) + 1)
    for index in wanted:
        values[index + 1] = weights[index] if weights else 1
    return _looked_up(view, values)


def training_weights(scene: Scene) -> list[int]:
    """Return how strongly the truth maps for training mark each part, 0 to 100: a wall that can be held less
    than the handle beside it, which is made for the hand and fits every gripper."""
    handled = {placed.owner for placed in scene.parts if placed.part.kind == "loop_handle"}
    return [
        WALL_PERCENT if placed.part.kind == "body" and placed.owner in handled else 100
        for placed in scene.parts
    ]


def write_view(root: Path, split: Split, stem: str, scene: Scene, view: Rendered, asked: list[str]) -> None:
    """Write a view under each of the actions `asked` that it shows (in negative scenes: does not show)."""
    writer = ViewWriter(root / split.folder, stem)
    view_kind = "exocentric" if split.style == "exocentric" else "egocentric"
    wanted_pixels = MIN_PART_SHARE * view.placed.size
    seen = np.bincount(view.placed[view.placed >= 0], minlength=len(scene.parts))
    maps: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def label_map(which: int) -> bytes:
        if not maps:
            maps.append(labels(scene, view))
        return encoded(maps[0][which], ".png")

    for action in asked:
        acting = [i for i, placed in enumerate(scene.parts) if placed.part.action == action]
        pixels = int(seen[acting].sum())
        name = "nothing"
        if split.style in ("nothing", "clutter", "bare"):
            if pixels:
                continue
        else:
            if pixels < (1 if view_kind == "egocentric" and not split.measured else wanted_pixels):
                continue
            name = scene.kinds[scene.parts[acting[int(np.argmax(seen[acting]))]].owner]
            if view_kind == "egocentric":
                weights = [] if split.measured else training_weights(scene)
                mask = _mask(view, scene, acting, weights)
                truth = truth_map(mask, 1 if split.measured else TRAIN_SHRINK)
                writer.write("GT", action, name, ".png", partial(encoded, truth, ".png"), shared=False)
        writer.write(view_kind, action, name, ".jpg", lambda: encoded(view.image, ".jpg"))
        if split.measured:
            _write_measured(writer, action, name, scene, view, acting)
        else:
            writer.write(f"{view_kind}_parts", action, name, ".png", lambda: label_map(0))
            writer.write(f"{view_kind}_objects", action, name, ".png", lambda: label_map(1))


def _write_measured(
    writer: ViewWriter, action: str, name: str, scene: Scene, view: Rendered, acting: list[int]
) -> None:
    def depth() -> bytes:
        steps = np.clip(np.rint(view.depth / DEPTH_SCALE), 0, 65535).astype(np.uint16)
        steps[view.depth > 65535 * DEPTH_SCALE] = 0
        return encoded(steps, ".png")

    camera = {**asdict(view.intrinsics), "depth_scale": DEPTH_SCALE}
    writer.write("depth", action, name, ".png", depth)
    writer.write("camera", action, name, ".json", lambda: json.dumps(camera).encode())
    if not acting:
        return
    owners = {scene.parts[i].owner for i in acting}
    whole = [i for i, placed in enumerate(scene.parts) if placed.owner in owners]
    for kind, wanted in (("mask", acting), ("objectmask", whole)):
        mask = 255 * _mask(view, scene, wanted)
        writer.write(kind, action, name, ".png", partial(encoded, mask, ".png"), shared=False)


KIND_NAMES = {"parts": list(PART_KINDS), "objects": list(OBJECT_KINDS)}


def check_names(root: Path) -> None:
    """Raise SelconError where parts.json in `root` names other parts or objects than this version draws: its
    label maps would be misread, and new scenes would not fit to the old ones."""
    path = root / "parts.json"
    if path.is_file() and read_object(path, SelconError) != KIND_NAMES:
        raise SelconError(
            f"{path} names other parts or objects than this version renders: "
            "render a new data set into another folder"
        )
