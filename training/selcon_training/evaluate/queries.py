"""What is asked of a model: every picture of a split, with the actions whose truth is known there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.camera_files import read_camera
from selcon_ros.core.cameras.depth_points import check_metres
from selcon_ros.core.pictures.depth_files import read_depth
from selcon_training.data.agd20k import DataSet, check_actions
from selcon_training.data.images import F32, U8
from selcon_training.data.listing import Item
from selcon_training.data.pairs import read_truth, stored_as
from selcon_training.errors import DataError


@dataclass
class Query:
    """One action asked of one picture: its files, one per object folder that shows the picture for this
    action."""

    action: str
    items: list[Item] = field(default_factory=list)

    @property
    def objects(self) -> list[str]:
        """The objects, in folder order."""
        return [item.object for item in self.items]


@dataclass
class QueriedPicture:
    """A picture and its queries."""

    name: str
    path: Path
    queries: dict[str, Query] = field(default_factory=dict)


@dataclass(frozen=True)
class QueryFiles:
    """Reads what lies beside the pictures of a split."""

    data: DataSet
    split: str

    def truth(self, query: Query) -> U8 | None:
        """The truth map H x W uint8 (the maximum over objects), or None where there is no file."""
        return self._union("GT", query)

    def mask(self, query: Query, kind: str = "mask") -> U8 | None:
        """The mask H x W, 0 or 255, or None where a file is missing."""
        return self._union(kind, query)

    def geometry(self, query: Query) -> tuple[F32, Intrinsics] | None:
        """Depth H x W in metres and the camera, or None where there are no such files.

        Raises SelconError for ones that cannot be used, and where the picture is turned by EXIF: whether its
        depth is turned like it cannot be told.
        """
        item = query.items[0]
        depth = self.data.extra(self.split, "depth", item)
        camera = self.data.camera(self.split, item)
        if depth is None or camera is None:
            return None
        orientation = stored_as(item.path).orientation
        if orientation != 1:
            raise DataError(
                f"{item.path} has EXIF orientation {orientation} and depth beside it: store it without "
                "an orientation, in the raster of its depth"
            )
        intrinsics, scale = read_camera(camera)
        metres = read_depth(depth, scale)
        check_metres(metres, f"depth_scale in {camera} is {scale:g} m a unit")
        return metres, intrinsics

    def _union(self, kind: str, query: Query) -> U8 | None:
        paths = [self.data.extra(self.split, kind, item) for item in query.items]
        found = [path for path in paths if path is not None]
        return read_truth(found, query.items[0].path) if len(found) == len(paths) else None


def find_pictures(data: DataSet, split: str, actions: Sequence[str]) -> list[QueriedPicture]:
    """The pictures of a split with their queries.

    With exhaustive truth files of one stem are one picture. Raises DataError for an action that is not in
    `actions`.
    """
    items = data.items(split)
    check_actions(items, actions, str(data.base / split), complete=False)
    pictures: dict[str, QueriedPicture] = {}
    for item in items:
        key = item.stem if data.exhaustive_truth else item.name
        picture = pictures.setdefault(key, QueriedPicture(key, item.path))
        picture.queries.setdefault(item.action, Query(item.action)).items.append(item)
    return list(pictures.values())


def part_points(part: NDArray[np.bool_], points: F32) -> F32:
    """The 3D points N x 3 (metres) of a part: of `points` H x W x 3 (NaN where depth is invalid) those in
    its mask."""
    chosen = points[part]
    return chosen[np.isfinite(chosen).all(axis=1)]
