"""Poses by the calibration that belongs to an image: its lens, and whether it is rectified."""

import numpy as np
import pytest
from rclpy.parameter import Parameter

from selcon_ros.ros.depth import intrinsics_from_message
from selcon_ros.ros.registered import named_rectified
from support.ros import calibration
from support.scenes import bar_depth, scene
from support.shapes import undistorted

PART = (200, 48, 232, 144)  # 32 x 96 pixels, upper right


def test_poses_in_a_raw_image_are_along_the_lens_s_rays(start):
    robot, _ = start(action="hold")
    info = calibration()
    info.distortion_model, info.d = "plumb_bob", [-0.3, 0.08, 0.002, -0.001, 0.0]
    corner = (20, 20, 44, 90)
    status = robot.answer_in_3d(scene(hold=corner), bar_depth(320, 240, corner), info)
    pixel = robot.beside(status, "grasp_pixels").polygon.points[0]
    point = robot.beside(status, "grasp_points").poses[0].position
    lens = intrinsics_from_message(info)
    ray = undistorted(lens, np.array([pixel.x, pixel.y]))
    assert (point.x, point.y, point.z) == pytest.approx(0.76 * ray, abs=1e-3)
    pinhole = 0.76 * (pixel.x - lens.cx) / lens.fx
    assert abs(point.x - pinhole) > 0.01, "not the pinhole's"


def test_a_rectified_image_with_a_distorted_calibration_is_suspected(start):
    robot, node = start(action="hold")
    node._inputs.depth_sync._image_topic = "/eye/image_rect"  # as after a remapping
    info = calibration()
    info.distortion_model, info.d = "plumb_bob", [-0.3, 0.08, 0.002, -0.001, 0.0]
    show = lambda: robot.show(scene(hold=PART), bar_depth(320, 240, PART), info)  # noqa: E731
    robot.told("/eye/image_rect is named like a rectified image", every=show)
    assert "set rectified to true" in robot.problems()
    assert not robot.answer("grasp_points", scene(hold=PART), bar_depth(320, 240, PART), info).poses
    assert node.set_parameters([Parameter("rectified", value=True)])[0].successful
    robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), info)


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True),
        ("/zed/left/image_rect_color/compressed", True),
        ("/camera/color/image_raw", False),
        ("/correct/image", False),
        ("/camera/camera/color/image_rect_raw", False),
        ("/camera/color/image_rect_raw/compressed", False),
    ],
)
def test_names_of_rectified_images(topic, rectified):
    assert named_rectified(topic) == rectified
