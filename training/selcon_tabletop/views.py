"""Batches of augmented views with part and object labels on the patch grid, for encoder training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_tabletop.parts import PART_KINDS
from selcon_tabletop.view_files import OBJECT_KINDS, check_names
from selcon_training.data.device import IMAGENET

NAMED_KINDS = OBJECT_KINDS[:-1]
"""Kinds of objects that the encoders tell apart: clutter counts as background."""
PATCH_PIXELS = 16
PART_CELL_PIXELS = 8  # part labels are finer: the packaged model draws its maps at twice the patch grid


@dataclass(frozen=True)
class LabelledImage:
    """One training image: JPEG and PNG bytes of the image, its part map and object map, and the action an
    exocentric one shows."""

    image: bytes
    parts: bytes
    objects: bytes
    shown_action: str | None


@dataclass(frozen=True)
class Batch:
    """`images` [B, 3, H, W] float32 normalised; `parts` [B, P, 2h, 2w] and `objects` [B, K, h, w] shares of
    each cell, h × w being the patch grid; `shown` [B] index of the action an exocentric image shows, −1 in
    egocentric ones."""

    images: Tensor
    parts: Tensor
    objects: Tensor
    shown: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


def find_images(root: Path, actions: list[str]) -> list[LabelledImage]:
    """Return every distinct training image under `root` that has label maps; raises SelconError where there
    is none, or where they name other kinds."""
    check_names(root)
    found: dict[str, tuple[Path, str | None]] = {}
    for view in ("egocentric", "exocentric"):
        for path in sorted(
            path for split in ("trainset", "tableset") for path in root.glob(f"Seen/{split}/{view}/*/*/*.jpg")
        ):
            found.setdefault(path.stem, (path, path.parts[-3] if view == "exocentric" else None))
    items = []
    for path, shown in tqdm(found.values(), desc="read", unit="image", mininterval=1):
        view = path.parts[-4]
        labels = [
            path.parents[3] / f"{view}_{kind}" / Path(*path.parts[-3:]).with_suffix(".png")
            for kind in ("parts", "objects")
        ]
        if all(label.is_file() for label in labels):
            picture, parts, objects = (read_bytes(each, SelconError) for each in (path, *labels))
            items.append(LabelledImage(picture, parts, objects, shown))
    if not items:
        raise SelconError(
            f"{root} holds no rendered training images with label maps; "
            "make them with `selcon tabletop render`"
        )
    unknown = {item.shown_action for item in items if item.shown_action} - set(actions)
    if unknown:
        raise SelconError(f"{root} shows actions that are not in its dataset.json: {sorted(unknown)}")
    return items


def _decode(data: bytes, flags: int) -> NDArray[np.uint8]:
    return np.asarray(decode(data, "a rendered image", flags, ImageError), np.uint8)


def _shares(labels: NDArray[np.uint8], kinds: int, cell: int) -> NDArray[np.float32]:
    """Return what share of each cell every label has: H×W labels to [kinds, H/cell, W/cell]."""
    height, width = labels.shape[0] // cell, labels.shape[1] // cell
    cells = np.arange(height * width).reshape(height, width).repeat(cell, 0).repeat(cell, 1)
    counts = np.bincount((cells * kinds + labels).ravel(), minlength=height * width * kinds)
    planes = counts.reshape(height, width, kinds).transpose(2, 0, 1)
    shares: NDArray[np.float32] = (planes / cell**2).astype(np.float32)
    return shares


def _named(objects: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(objects == len(NAMED_KINDS), np.uint8(0), objects)


def random_view(
    item: LabelledImage, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return image, part map and object map of `size` (height, width), turned, scaled, shifted, mirrored and
    recoloured alike."""
    image, parts, objects = (
        _decode(item.image, cv2.IMREAD_COLOR)[..., ::-1],
        *(_decode(d, cv2.IMREAD_GRAYSCALE) for d in (item.parts, item.objects)),
    )
    height, width = image.shape[:2]
    zoom = size[1] / width * np.exp(rng.uniform(np.log(0.95), np.log(1.5)))
    turn = np.deg2rad(rng.uniform(-15, 15))
    mirror = rng.choice([-1.0, 1.0])
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    matrix = np.array([[mirror * cos, -mirror * sin, 0], [sin, cos, 0]])
    slack = np.abs([zoom * width - size[1], zoom * height - size[0]]) / 2
    matrix[:, 2] = (
        np.array([size[1] / 2, size[0] / 2])
        - matrix[:, :2] @ [width / 2, height / 2]
        + rng.uniform(-slack, slack)
    )
    target = (size[1], size[0])
    image = _warped(image, matrix, target, cv2.INTER_LINEAR)
    parts, objects = (_warped(labels, matrix, target, cv2.INTER_NEAREST) for labels in (parts, objects))
    gain, bias = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3), rng.uniform(-20, 20)
    table = np.clip(np.arange(256)[:, None] * gain + bias, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, 3)), parts, objects  # type: ignore[return-value]


def _warped(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int], how: int
) -> NDArray[np.uint8]:
    return cv2.warpAffine(  # type: ignore[return-value]
        image, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT_101
    )


def make_batch(
    items: list[LabelledImage], actions: list[str], size: tuple[int, int], rng: np.random.Generator
) -> Batch:
    """Return one augmented view of each item."""
    mean, std = torch.tensor(IMAGENET.mean), torch.tensor(IMAGENET.std)
    views = [random_view(item, size, rng) for item in items]
    images = (torch.from_numpy(np.stack([view[0] for view in views])) / 255.0 - mean) / std
    return Batch(
        images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack([_shares(view[1], len(PART_KINDS), PART_CELL_PIXELS) for view in views])),
        torch.from_numpy(
            np.stack([_shares(_named(view[2]), len(NAMED_KINDS), PATCH_PIXELS) for view in views])
        ),
        torch.tensor([actions.index(item.shown_action) if item.shown_action else -1 for item in items]),
    )
