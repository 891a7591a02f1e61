"""Where to grasp, chosen in several ways: from the object's own grip, from the true part, from the model."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.lifting.hand import OPENING
from experiments.lifting.lift import Grasp
from experiments.lifting.scenes import LiftScene, Sight
from experiments.lifting.world import Pose
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_tabletop.parts import Z

DIRECTION_COUNT = 16
"""Directions about a grip's axis that are tried."""


@dataclass(frozen=True)
class Choice:
    """A grasp or why there is none; `right`: its pixel lies on the part to close at."""

    grasp: Grasp | None
    right: bool = True
    why: str = ""


def true_heat(sight: Sight, action: str) -> Heatmap:
    """Return the true part as a heatmap with the softness of a network's: it isolates geometry."""
    soft = np.asarray(cv2.GaussianBlur(sight.part.astype(np.float32), (0, 0), 6), np.float32)
    peak = float(soft.max())
    return Heatmap(action, soft / peak if peak > 0 else soft, 1.0 if peak > 0 else 0.0)


def published(sight: Sight, heat: Heatmap) -> Choice:
    """Return what the node publishes as its first grasp point."""
    result = find_grasps(heat, sight.depth, sight.intrinsics, GraspParameters(max_width=OPENING))
    point = next((point for point in result.points if point.position is not None), None)
    if point is None:
        reasons = [refusal.reason.value for refusal in result.refused]
        reasons += [point.reason.value for point in result.points if point.reason]
        return Choice(None, False, ", ".join(dict.fromkeys(reasons)))
    assert point.position is not None and point.orientation is not None and point.width is not None
    axes = Rigid(point.orientation, point.position).matrix
    grasp = Grasp(np.array(point.position), axes, point.width)
    return Choice(_in_world(grasp, sight.camera), _on_part(sight, point.pixel))


def centroid(sight: Sight, heat: Heatmap) -> Choice:
    """Return the baseline: the heat-weighted centroid, straight down from above.

    The heat is what is above half of its maximum. The fingers close across its thin axis, which is that of
    the points seen there, on the table's plane. Where down is, the robot must know.
    """
    hot = (heat.values >= 0.5 * heat.values.max()) & np.isfinite(sight.depth)
    if heat.confidence < 0.5 or np.count_nonzero(hot) < 30:
        return Choice(None, False, "low_confidence")
    v, u = np.nonzero(hot)
    weight = heat.values[hot]
    middle = np.array([np.average(u, weights=weight), np.average(v, weights=weight)])
    z = sight.depth[hot]
    rays = np.stack(
        [(u - sight.intrinsics.cx) * z, (v - sight.intrinsics.cy) * z, z * sight.intrinsics.fx], -1
    )
    points = rays / sight.intrinsics.fx @ sight.camera.rotation.T + sight.camera.position
    nearest = int(np.argmin(np.hypot(u - middle[0], v - middle[1])))
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    vectors = np.linalg.eigh(flat.T @ flat)[1]
    closing = np.array([*vectors[:, 0], 0.0])
    approach = np.array([0.0, 0.0, -1.0])
    axes = np.stack([closing, np.cross(approach, closing), approach], axis=1)
    width = float(np.ptp(flat @ vectors[:, 0]))
    pixel = (float(u[nearest]), float(v[nearest]))
    return Choice(Grasp(points[nearest], axes, width), _on_part(sight, pixel))


def own_grips(scene: LiftScene) -> list[Grasp]:
    """Return the ways to close on the object's own grip, from above first: they prove the simulation.

    The grip is a cylinder; the hand may come from any side. The tips go 1 cm past its axis.
    """
    turn, place = scene.pose.rotation, scene.pose.position
    axis = turn @ scene.grip.axis
    point = turn @ scene.grip.point + place
    aside = np.cross(axis, [0, 0, 1.0]) if abs(axis[2]) < 0.9 else np.cross(axis, [0, 1.0, 0])
    aside /= np.linalg.norm(aside)
    other = np.cross(axis, aside)
    found = []
    for angle in np.linspace(0, 2 * np.pi, DIRECTION_COUNT, endpoint=False):
        approach = np.cos(angle) * aside + np.sin(angle) * other
        if approach[2] > 0.3:
            continue
        closing = np.cross(axis, approach)
        axes = np.stack([closing, np.cross(approach, closing), approach], axis=1)
        surface = point - scene.grip.radius * approach
        found.append(Grasp(surface, axes, 2 * scene.grip.radius))
    if abs(axis[2]) > 0.9:  # a standing body, from above
        for angle in np.linspace(0, np.pi, DIRECTION_COUNT // 2, endpoint=False):
            closing = np.cos(angle) * aside + np.sin(angle) * other
            approach = np.array([0.0, 0.0, -1.0])
            axes = np.stack([closing, np.cross(approach, closing), approach], axis=1)
            top = point + 0.02 * Z
            found.append(Grasp(top, axes, 2 * scene.grip.radius))
    return sorted(found, key=lambda grasp: grasp.axes[2, 2])


def _in_world(grasp: Grasp, camera: Pose) -> Grasp:
    point = camera.rotation @ grasp.point + camera.position
    return Grasp(point, camera.rotation @ grasp.axes, grasp.width)


def _on_part(sight: Sight, pixel: tuple[float, float]) -> bool:
    """Whether a pixel lies on the part to close at, or within 2 pixels of it."""
    u, v = round(pixel[0]), round(pixel[1])
    near: NDArray[np.bool_] = sight.part[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3]
    return bool(near.any())
