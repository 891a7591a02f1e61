"""What RViz is told: poses as the contract has them, and deletions of what vanished."""

import numpy as np
import pytest
from visualization_msgs.msg import Marker

from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.ros.markers import ARROW_LENGTH, FINGER_LENGTH, GraspMarkers, grasp_pose
from support.messages import FRAME, header


def point(x: float = 0.0, width: float | None = 0.04) -> GraspPoint:
    """A grasp point 0.5 m in front of the camera, approached along the optical axis."""
    return GraspPoint((320.0, 240.0), 0.9, (x, 0.1, 0.5), (0.0, 0.0, 0.0, 1.0), width)


def shown(message) -> set[tuple[str, int]]:
    return {(each.ns, each.id) for each in message.markers if each.action == Marker.ADD}


def deleted(message) -> set[tuple[str, int]]:
    return {(each.ns, each.id) for each in message.markers if each.action == Marker.DELETE}


def test_a_point_has_arrow_gripper_and_label():
    message = GraspMarkers().update({"hold": [point()]}, header(7.0), 1.5)
    assert shown(message) == {("approach", 0), ("gripper", 0), ("label", 0)}
    for marker in message.markers:
        assert marker.header.frame_id == FRAME and marker.header.stamp.sec == 7
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500_000_000)
        colour = (marker.color.r, marker.color.g, marker.color.b, marker.color.a)
        assert max(colour) <= 1.0 and marker.color.a > 0
    arrow, gripper, label = message.markers
    assert [each.z for each in arrow.points] == [-ARROW_LENGTH, 0.0]  # towards the object
    assert (arrow.pose.position.x, arrow.pose.position.y, arrow.pose.position.z) == (0.0, 0.1, 0.5)
    tips = [each for each in gripper.points if each.z == 0.0]
    assert [each.x for each in tips] == [-0.02, 0.02]
    assert {each.z for each in gripper.points} == {0.0, -FINGER_LENGTH}
    assert label.text == "hold 0.90  40 mm" and label.pose.position.z < 0.5 - ARROW_LENGTH


def test_the_label_stands_behind_the_arrow_whatever_the_pose():
    turned = GraspPoint(
        (0.0, 0.0), 1.0, (0.0, 0.0, 1.0), (0.0, float(np.sqrt(0.5)), 0.0, float(np.sqrt(0.5))), None
    )
    label = GraspMarkers().update({"hold": [turned]}, header(), 1.0).markers[-1]
    # A quarter turn about y takes the approach from z to x.
    assert label.pose.position.x == pytest.approx(-(ARROW_LENGTH + 0.02))
    assert label.pose.position.z == pytest.approx(1.0)
    assert label.text == "hold 1.00"


def test_what_vanished_is_deleted_once():
    markers = GraspMarkers()
    markers.update({"hold": [point(), point(0.1)]}, header(), 1.0)
    message = markers.update({"hold": [point()]}, header(), 1.0)
    assert shown(message) == {("approach", 0), ("gripper", 0), ("label", 0)}
    assert deleted(message) == {("approach", 1), ("gripper", 1), ("label", 1)}
    message = markers.update({"hold": []}, header(), 1.0)
    assert not shown(message) and deleted(message) == {("approach", 0), ("gripper", 0), ("label", 0)}
    assert not markers.update({"hold": []}, header(), 1.0).markers


def test_a_point_without_a_pose_is_not_drawn():
    assert not GraspMarkers().update({"hold": [GraspPoint((1.0, 2.0), 0.5)]}, header(), 1.0).markers


def test_clearing_deletes_everything():
    markers = GraspMarkers()
    markers.update({"hold": [point()]}, header(), 1.0)
    message = markers.clear(header())
    assert [each.action for each in message.markers] == [Marker.DELETEALL]
    assert not deleted(markers.update({"hold": []}, header(), 1.0))


def test_the_pose_is_the_points():
    found = GraspPoint((0.0, 0.0), 1.0, (1.0, 2.0, 3.0), (0.5, -0.5, 0.5, 0.5), 0.01)
    pose = grasp_pose(found)
    assert (pose.position.x, pose.position.y, pose.position.z) == (1.0, 2.0, 3.0)
    assert (pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w) == (
        0.5,
        -0.5,
        0.5,
        0.5,
    )


def test_markers_of_several_actions_have_a_namespace_each():
    markers = GraspMarkers()
    markers.update({"hold": [point()]}, header(), 1.0)
    message = markers.update({"hold": [point(), point(0.1)], "pour": [point()]}, header(), 1.0)
    assert deleted(message) == {("approach", 0), ("gripper", 0), ("label", 0)}
    assert shown(message) == {*(("hold", each) for each in range(6)), *(("pour", each) for each in range(3))}
    colours = {(each.ns, each.color.r, each.color.g) for each in message.markers if each.action == Marker.ADD}
    assert len(colours) == 2
    message = markers.update({"hold": [point()], "pour": []}, header(), 1.0)
    assert deleted(message) == {("hold", 3), ("hold", 4), ("hold", 5), *(("pour", each) for each in range(3))}
    message = markers.update({"hold": [point()]}, header(), 1.0)
    assert shown(message) == {("approach", 0), ("gripper", 0), ("label", 0)}
    assert deleted(message) == {("hold", 0), ("hold", 1), ("hold", 2)}
