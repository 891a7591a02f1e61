"""Grasp points from a heatmap, with a pose and a width where there is depth."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_patch import DepthPatch, depth_patch
from selcon_ros.core.cameras.depth_points import MAX_DEPTH, MIN_DEPTH
from selcon_ros.core.errors import CameraError, DepthError, ParameterError
from selcon_ros.core.grasps import region_geometry as geometry
from selcon_ros.core.grasps.grasp_place import SeenPart, best_candidate, middle, pixel_of
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult, Refusal
from selcon_ros.core.grasps.regions import Region, hot_regions
from selcon_ros.core.grasps.rigid import quaternion
from selcon_ros.core.grasps.support import Plane, above_support, support, surroundings
from selcon_ros.core.grasps.vectors import Vector
from selcon_ros.core.grasps.warm_area import AnyHeatmap, size_of
from selcon_ros.core.reason import Reason

# How far outside of the image a finger may touch, as a share of the image's longer side.
MAX_JAW_BEYOND_SHARE = 0.5
MAX_GRIPPER_WIDTH = 100.0
"""Metres: the largest opening of a gripper that can be set; depth within `MAX_DEPTH` shows no wider part."""


def _within(low: float, high: float, default: float) -> Any:
    """A field with the range of its values, which the node's parameters have too."""
    return field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True)
class GraspParameters:
    """How grasp points are found. Raises ParameterError for a value out of range.

    threshold: a region is where the smoothed heat is at least this fraction of its maximum.
    min_confidence: no grasp point from a heatmap with less confidence.
    min_contrast: the peak exceeds the image's mean heat by at least this share of the peak.
    max_points: grasp points given at most.
    min_points: a region needs this many pixels, and this many depth measurements for a pose.
    max_width: the gripper's opening in metres.
    smoothing: standard deviation in pixels of the blur before the threshold; 0 for none.
    window: side in pixels of the window whose median depth is the grasp point's.
    depth_step: depths of neighbouring pixels on one surface differ by less than this, in metres.
    support_height: a part rises above the table by more than this, in metres, to be told from it; at
        distances z beyond 1 m, by this times z squared, as the noise of stereo depth grows.
    """

    threshold: float = _within(0.01, 1.0, 0.5)
    min_confidence: float = _within(0.0, 1.0, 0.5)
    min_contrast: float = _within(0.0, 1.0, 0.3)
    max_points: int = _within(1, 100, 3)
    min_points: int = _within(3, 100_000, 30)
    max_width: float = _within(0.001, MAX_GRIPPER_WIDTH, 0.10)
    smoothing: float = _within(0.0, 50.0, 2.0)
    window: int = _within(1, 101, 5)
    depth_step: float = _within(0.0001, 10.0, 0.015)
    support_height: float = _within(0.0001, 10.0, 0.005)

    def __post_init__(self) -> None:
        for each in fields(self):
            value, low, high = getattr(self, each.name), each.metadata["low"], each.metadata["high"]
            if not low <= value <= high:
                raise ParameterError(f"{each.name} is {value}: it must be from {low} to {high}")


def find_grasps(
    heatmap: AnyHeatmap,
    depth: NDArray[np.float32] | None = None,
    intrinsics: Intrinsics | None = None,
    parameters: GraspParameters = GraspParameters(),
) -> GraspResult:
    """Return the grasp points of a heatmap, best first; of a `CoarseHeatmap` in less time.

    `depth` [H, W] float in metres is registered to the image; what `depth_points.valid_depth` does not take
    is no measurement. The hot regions are ranked by their mass around the peak. In each, the point is in the
    middle of a hot and thick place near the heat's centre, on the surface that the peak lies on: neither what
    is behind the part nor the table under it counts. Where an object rises from a table, axes and width are
    those of the object there, not of the heat, and a hand comes to it clear of the table and of what is seen
    beside it, if there is such a way (`hand_clearance`). Where it gets no good hold in the middle, the point
    of an action at which a hand closes (`actions.is_held`) is at another hot place (`grasp_place`). Every
    pose is finite, in front of the camera and no farther than `depth_points.MAX_DEPTH`. Raises DepthError
    when the depth has another size than the heatmap or is not in metres, CameraError when the intrinsics are
    for another size.
    """
    check_geometry(heatmap, depth, intrinsics)
    if (refusal := low_confidence(heatmap.confidence, parameters)) is not None:
        return refusal
    regions, refused = hot_regions(
        heatmap,
        parameters.threshold,
        parameters.smoothing,
        parameters.min_contrast,
        parameters.min_points,
    )
    points: list[GraspPoint] = []
    for region in regions:
        if len(points) == parameters.max_points:
            break
        score = heatmap.confidence * (region.mass / regions[0].mass)
        point = _grasp(region, heatmap.action, score, depth, intrinsics, parameters)
        if point.width is not None and point.width > parameters.max_width:
            u, v = point.pixel
            text = (
                f"the part at ({u:.0f}, {v:.0f}) is {point.width:.3f} m wide, "
                f"the gripper opens {parameters.max_width:.3f} m"
            )
            refused.append(Refusal(Reason.TOO_WIDE, text))
        else:
            points.append(point)
    return GraspResult(tuple(points), tuple(refused))


def low_confidence(confidence: float, parameters: GraspParameters) -> GraspResult | None:
    """Return what `find_grasps` gives for a heatmap of too little confidence, None for one of enough."""
    if confidence >= parameters.min_confidence:
        return None
    text = f"confidence {confidence:.2f} is below {parameters.min_confidence:.2f}"
    return GraspResult(refused=(Refusal(Reason.LOW_CONFIDENCE, text),))


def check_geometry(
    heatmap: AnyHeatmap, depth: NDArray[np.float32] | None, intrinsics: Intrinsics | None
) -> None:
    """Raise DepthError or CameraError for depth or a calibration that does not belong to a heatmap."""
    height, width = size_of(heatmap)
    if depth is not None and depth.shape != (height, width):
        size = "x".join(str(size) for size in depth.shape[::-1])
        raise DepthError(f"depth is {size}, the image {width}x{height}: register the depth to the image")
    if depth is not None and depth.dtype.kind != "f":
        raise DepthError(f"depth is of type {depth.dtype}: it must be floating point, in metres")
    if intrinsics is not None and (intrinsics.width, intrinsics.height) != (width, height):
        raise CameraError(
            f"the camera calibration is for {intrinsics.width}x{intrinsics.height}, the image is "
            f"{width}x{height}: scale it or use the camera's own"
        )


def _grasp(
    region: Region,
    action: str,
    score: float,
    depth: NDArray[np.float32] | None,
    intrinsics: Intrinsics | None,
    parameters: GraspParameters,
) -> GraspPoint:
    """Return the region's grasp point, with a pose if the depth allows one."""
    if depth is None:
        return _flat_grasp(region, score, Reason.NO_DEPTH, "no depth image")
    if intrinsics is None:
        return _flat_grasp(region, score, Reason.NO_CAMERA, "no camera calibration")
    # Depth that is no measurement may be infinite, and is computed with, but not used.
    with np.errstate(over="ignore", invalid="ignore"):
        return _posed_grasp(region, action, score, depth, intrinsics, parameters)


def _posed_grasp(
    region: Region,
    action: str,
    score: float,
    depth: NDArray[np.float32],
    intrinsics: Intrinsics,
    parameters: GraspParameters,
) -> GraspPoint:
    """Return the region's grasp point, with a pose if what is measured allows one."""
    patch = depth_patch(depth, intrinsics, region.origin, region.step, region.shape)
    hot = region.mask & patch.measured[region.inner]
    count = int(np.count_nonzero(hot)) * region.step**2
    if count == 0:
        return _flat_grasp(region, score, Reason.FEW_DEPTHS, "no valid depth on the part")
    if count < parameters.min_points:
        note = f"only {count} valid depths on the part, of {parameters.min_points}"
        return _flat_grasp(region, score, Reason.FEW_DEPTHS, note)
    plane = support(surroundings(depth, intrinsics, region), parameters.support_height)
    rising = above_support(patch, region, hot, plane)
    # What rises from the table has an outline of its own; otherwise the heat's is all there is.
    solid = region.spread(hot) if rising is None else rising
    surface = geometry.connected_surface(patch, solid, region, hot, parameters.depth_step * region.step)
    count = surface.count * region.step**2
    if count < parameters.min_points:
        note = f"only {count} valid depths on the peak's surface, of {parameters.min_points}"
        return _flat_grasp(region, score, Reason.FEW_DEPTHS, note)
    try:
        point = _surface_grasp(region, action, surface, plane, score, depth, intrinsics, parameters)
        fault = _fault(point, intrinsics)
    except np.linalg.LinAlgError:
        fault = "its surface has no axes"
    return _flat_grasp(region, score, Reason.NO_POSE, f"no pose: {fault}") if fault else point


def _fault(point: GraspPoint, intrinsics: Intrinsics) -> str:
    """Return why a pose cannot be: the last guard, for an arm moves to what is found here."""
    assert point.position is not None and point.orientation is not None
    assert point.width is not None and point.jaws is not None
    jaws = (*point.jaws[0], *point.jaws[1])
    if not all(math.isfinite(each) for each in (*point.position, *point.orientation, point.width, *jaws)):
        return "it is not finite"
    if not MIN_DEPTH <= point.position[2] <= MAX_DEPTH:
        return f"it is {point.position[2]:g} m away"
    if not point.width > 0:
        return "it has no width"
    beyond = MAX_JAW_BEYOND_SHARE * max(intrinsics.width, intrinsics.height)
    for u, v in point.jaws:
        if not (-beyond <= u < intrinsics.width + beyond and -beyond <= v < intrinsics.height + beyond):
            return f"a jaw is at ({u:.0f}, {v:.0f}), far outside of the image"
    return ""


def _flat_grasp(region: Region, score: float, reason: Reason, note: str) -> GraspPoint:
    """Return a grasp point in the image plane only, which is treated as a surface with the unit 1 pixel."""
    height, width = region.shape
    patch = DepthPatch(
        depth=np.ones(region.shape, np.float32),
        measured=np.ones(region.shape, np.bool_),
        x=np.arange(width, dtype=np.float32)[None] * region.step + region.origin[0],
        y=np.arange(height, dtype=np.float32)[:, None] * region.step + region.origin[1],
    )
    surface = geometry.flat_surface(patch, region)
    place = middle(surface)
    u, v = pixel_of(region, surface, place)
    axes = geometry.grasp_axes(geometry.nearby(surface, place), (0.0, 0.0, 1.0))
    low, high = geometry.extent_of(surface, place, (u, v, 1.0), axes, math.inf, region.step)
    ends = [_at((u, v, 1.0), axes, side)[:2] for side in (low, high)]
    return GraspPoint(
        pixel=(float(u), float(v)),
        score=score,
        jaws=(ends[0], ends[1]),
        note=note,
        part=region.part(),
        reason=reason,
    )


def _at(position: Vector, axes: NDArray[np.float64], distance: float) -> Vector:
    """Return the position that is so far along the closing direction."""
    x, y, z = axes[:, 0].tolist()
    return position[0] + x * distance, position[1] + y * distance, position[2] + z * distance


def _surface_grasp(
    region: Region,
    action: str,
    surface: geometry.Surface,
    plane: Plane | None,
    score: float,
    depth: NDArray[np.float32],
    intrinsics: Intrinsics,
    parameters: GraspParameters,
) -> GraspPoint:
    """Return a grasp point with a pose on a surface that stands on a plane, if one is seen."""
    view = SeenPart(region, action, surface, plane, depth, intrinsics, parameters.window)
    found = best_candidate(view, parameters.max_width)
    place, pixel, position, axes = found.place, found.pixel, found.position, found.way.axes
    spacing = region.step * position[2] / intrinsics.focal_length_at(*pixel)
    # What lies deeper than the tips go is not between the fingers.
    low, high = geometry.extent_of(surface, place, position, axes, found.way.reach, spacing)
    if high - low + spacing > parameters.max_width:
        # A head on a handle, say, is seen as one body whose long axis is not the head's.
        axes, low, high = geometry.narrowest_of(surface, place, position, found.axes, spacing)
    ends = [_at(position, axes, side) for side in (low, high)]
    jaws = [intrinsics.project(end) if end[2] > 0 else (math.nan, math.nan) for end in ends]
    return GraspPoint(
        pixel=(float(pixel[0]), float(pixel[1])),
        score=score,
        position=position,
        orientation=quaternion(axes),
        # The outermost pixels' halves belong to the part.
        width=high - low + spacing,
        jaws=(jaws[0], jaws[1]),
        note="cut off by the image border: the width is a lower bound" if region.clipped else "",
        part=region.part(),
        reason=Reason.CUT_OFF if region.clipped else None,
    )
