"""Grasp points as RViz markers: approach arrow, open gripper and label; what vanished is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.outputs.gripper_drawing import (
    ARROW_LENGTH,
    COLOURS,
    FINGER_LENGTH,
    UNKNOWN_WIDTH,
    Colour,
)
from selcon_ros.core.text import one_line

MAX_LABEL_LENGTH = 40
"""Characters of an action's name on a label, at most."""
Points = Sequence[GraspPoint]


class GraspMarkers:
    """Turns grasp points into markers, and remembers what is on show to delete it when it goes."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()

    def update(self, found: Mapping[str, Points], header: Header, lifetime: float) -> MarkerArray:
        """Markers of the points that have a pose, in the header's frame, and deletions of those that went.

        The markers of one action are in the namespaces approach, gripper and label; of several actions, those
        of each are in a namespace with its name. `found` has the points of each action. `lifetime` is the
        seconds after which a marker vanishes on its own; 0: never.
        """
        markers: list[Marker] = []
        for place, (action, points) in enumerate(found.items()):
            colour = COLOURS[place % len(COLOURS)]
            of_action = [
                marker
                for number, point in enumerate(points)
                if point.position is not None and point.orientation is not None
                for marker in _markers(point, number, action, colour)
            ]
            if len(found) > 1:
                for number, marker in enumerate(of_action):
                    marker.ns, marker.id = one_line(action), number
            markers += of_action
        showing = {(marker.ns, marker.id) for marker in markers}
        gone = [Marker(ns=ns, id=number, action=Marker.DELETE) for ns, number in self._shown - showing]
        self._shown = showing
        whole, part = divmod(lifetime, 1.0)
        end = Duration(sec=int(whole), nanosec=int(part * 1e9))
        for marker in [*gone, *markers]:
            marker.header, marker.lifetime = header, end
        return MarkerArray(markers=[*gone, *markers])

    def clear(self, header: Header) -> MarkerArray:
        """Delete everything."""
        self._shown = set()
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def grasp_pose(point: GraspPoint) -> Pose:
    """The pose of a grasp point that has one: z approaches the object, x closes the gripper."""
    assert point.position is not None and point.orientation is not None
    x, y, z = (float(value) for value in point.position)
    qx, qy, qz, qw = (float(value) for value in point.orientation)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def _markers(point: GraspPoint, number: int, action: str, rgb: Colour) -> Iterator[Marker]:
    pose = grasp_pose(point)
    # The best point is opaque, the others recede.
    colour = ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=1.0 if number == 0 else 0.4)

    arrow = Marker(ns="approach", id=number, type=Marker.ARROW, action=Marker.ADD, pose=pose, color=colour)
    arrow.points = [Point(x=0.0, y=0.0, z=-ARROW_LENGTH), Point()]
    arrow.scale = Vector3(x=0.006, y=0.014, z=0.02)
    yield arrow

    half = 0.5 * (point.width if point.width is not None else UNKNOWN_WIDTH)
    gripper = Marker(ns="gripper", id=number, type=Marker.LINE_STRIP, action=Marker.ADD, color=colour)
    gripper.pose = pose
    gripper.points = [
        Point(x=x, y=0.0, z=z)
        for x, z in ((-half, 0.0), (-half, -FINGER_LENGTH), (half, -FINGER_LENGTH), (half, 0.0))
    ]
    gripper.scale.x = 0.004
    yield gripper

    width = "" if point.width is None else f"  {1e3 * point.width:.0f} mm"
    label = Marker(ns="label", id=number, type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, color=colour)
    label.text = f"{one_line(action, MAX_LABEL_LENGTH)} {point.score:.2f}{width}"
    label.pose.position = _above(pose)
    label.pose.orientation.w = 1.0
    label.scale.z = 0.02
    yield label


def _above(pose: Pose) -> Point:
    """Where the arrow begins: the label stands there, off the object."""
    x, y, z, w = pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w
    place, back = pose.position, ARROW_LENGTH + 0.02
    return Point(
        x=place.x - back * 2 * (x * z + y * w),
        y=place.y - back * 2 * (y * z - x * w),
        z=place.z - back * (1 - 2 * (x * x + y * y)),
    )
