"""For planners: the affording part as a mask, and the camera's points with their colour and heat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import deproject
from selcon_ros.core.errors import ImageError
from selcon_ros.core.grasps.grasp import GraspParameters, check_geometry
from selcon_ros.core.grasps.regions import hot_mask
from selcon_ros.core.grounding.heatmap import Heatmap

_DEFAULTS = GraspParameters()


@dataclass(frozen=True)
class Cloud:
    """Points with colour and heat, organised like the image ([H, W, ...]) or as a list ([N, ...]).

    points: [..., 3] float32 in metres, optical frame (x right, y down, z forward), NaN where there is none.
    colours: [..., 3] uint8, RGB. heat: [...] float32, 0..1.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]
    heat: NDArray[np.float32]

    @property
    def listed(self) -> "Cloud":
        """The points that are there, as a list, row by row."""
        there = np.isfinite(self.points[..., 2])
        return Cloud(self.points[there], self.colours[there], self.heat[there])


def part_mask(heatmap: Heatmap, parameters: GraspParameters = _DEFAULTS) -> NDArray[np.bool_]:
    """Return the pixels [H, W] of the affording part: the regions in which `find_grasps` looks for points.

    These are the regions of heat alone, before depth is looked at. A region whose grasp is too wide for the
    gripper is among them. No pixel where confidence, contrast or size are below the parameters.
    """
    if not heatmap.confidence >= parameters.min_confidence:
        return np.zeros(heatmap.values.shape, np.bool_)
    return hot_mask(
        heatmap,
        parameters.threshold,
        parameters.smoothing,
        parameters.min_contrast,
        parameters.min_points,
    )


def organised_cloud(
    image: NDArray[np.uint8],
    heatmap: Heatmap,
    depth: NDArray[np.float32],
    intrinsics: Intrinsics,
    mask: NDArray[np.bool_] | None = None,
) -> Cloud:
    """Return the point of every pixel with its colour and heat, [H, W, ...].

    `image` [H, W, 3] is RGB, `depth` [H, W] float in metres, registered to it; `deproject` says where there
    is no point. With a `mask` [H, W] there is none outside of it either. Raises ImageError, DepthError and
    CameraError where the sizes differ.
    """
    height, width = heatmap.values.shape
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise ImageError(
            f"the image is {image.dtype} of shape {image.shape}: it must be uint8, [{height}, {width}, 3]"
        )
    if mask is not None and mask.shape != (height, width):
        raise ImageError(f"the mask has shape {mask.shape}: it must be [{height}, {width}]")
    check_geometry(heatmap, depth, intrinsics)
    if mask is None:
        return Cloud(deproject(depth, intrinsics), image, heatmap.values)
    points = np.full((height, width, 3), np.nan, np.float32)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows):
        # The rays of a lens with distortion are costly: of the box around the part alone.
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = deproject(depth[box], intrinsics, (int(columns[0]), int(rows[0])))
        part[~mask[box]] = np.nan
        points[box] = part
    return Cloud(points, image, heatmap.values)
