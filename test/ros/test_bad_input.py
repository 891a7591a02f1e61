"""Every bad input has a clear message in diagnostics, and the next good input is answered as ever."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image
from visualization_msgs.msg import Marker

from support import ros
from support.messages import header, raw_image
from support.ros import Robot, calibration
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
IMAGE, DEPTH = scene(hold=PART), bar_depth(320, 240, PART)


@pytest.fixture(scope="module")
def robot(bundle: Path) -> Iterator[Robot]:
    """One node for the whole file: it has to live through everything."""
    with ros.context() as context, ros.running_node(context, bundle, action="hold"):
        robot = Robot(context)
        robot.connect()
        yield robot
        robot.destroy_node()


@pytest.fixture(autouse=True)
def recovers(robot: Robot) -> Iterator[None]:
    """Before and after each bad input the node gives a good answer and has nothing to complain of."""
    robot.answer_in_3d(IMAGE, DEPTH, calibration())
    yield
    robot.say("hold")
    good = lambda: robot.show(IMAGE, DEPTH, calibration())  # noqa: E731
    robot.until(lambda: robot.problems().startswith("answering hold"), "an end of complaints", every=good)
    robot.answer_in_3d(IMAGE, DEPTH, calibration())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fly", "action: unknown action 'fly': this model knows: cut_with, hold, pour"),
        ("cut", "did you mean 'cut_with'?"),
        ("", "action: the action is empty; this model knows: cut_with, hold, pour"),
        (" _- ", "action: the action is empty"),
        ("x" * 9000, "unknown action 'xxxx"),
        ("x," * 100_000, "the list of actions has 200000 characters, 'x,x,"),
    ],
)
def test_an_action_that_the_model_does_not_know(robot, text, says):
    robot.until(
        lambda: any(each.action == Marker.ADD for each in robot.heard["markers"][-1].markers),
        "markers",
        every=lambda: robot.show(IMAGE, DEPTH, calibration()),
    )
    robot.say(text)
    robot.until(lambda: says.lower() in robot.problems().lower(), f"{says!r} in diagnostics")
    robot.until(
        lambda: [each.action for each in robot.heard["markers"][-1].markers] == [Marker.DELETEALL],
        "cleared markers",
    )
    robot.spin(0.2)  # topics overtake each other
    counts = {name: len(robot.heard[name]) for name in ros.OUTPUTS}
    robot.show(IMAGE, DEPTH, calibration())
    robot.spin(0.3)
    assert {name: len(robot.heard[name]) for name in ros.OUTPUTS} == counts  # nothing is published


def changed(**changes) -> Image:
    message = raw_image(IMAGE, "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (changed(width=0, height=0, step=0, data=b""), "the image is 0 x 0 pixels"),
        (changed(data=raw_image(IMAGE, "rgb8").data[:1000]), "the image is truncated: 320 x 240 'rgb8'"),
        (changed(height=2**32 - 1), "the image is 320 x 4294967295 pixels"),
        (changed(width=1 << 20, height=1 << 20, step=3 << 20), "the image is 1048576 x 1048576 pixels"),
        (changed(step=10), "step = 10 bytes a row"),
        (changed(encoding="holographic"), "unknown image encoding 'holographic'; known are rgb8"),
        (changed(encoding="32FC1"), "which is depth"),
    ],
)
def test_an_image_that_is_none(robot, image, says):
    robot.told(says, every=lambda: robot.show(image, DEPTH, calibration()))


def test_values_of_ten_bits_in_sixteen(robot):
    """The images are answered all the same; the fixture sees that an ordinary one ends the warning."""
    few_bits = raw_image(IMAGE.astype(np.uint16) * 4, "rgb16")
    show = lambda: robot.show(few_bits, DEPTH, calibration())  # noqa: E731
    robot.told("image values: the values of the last", every=show)


def test_no_depth_for_this_image(robot):
    robot.told("depth: no depth image within 20 ms of the image", every=lambda: robot.show(IMAGE))
    status = robot.answer("status", IMAGE)
    pixels = robot.beside(status, "grasp_pixels")
    poses = robot.beside(status, "grasp_points")
    assert pixels.polygon.points and not poses.poses
    assert "no depth image" in {each.key: each.value for each in status.status[0].values}["grasp_notes"]


@pytest.mark.parametrize(
    ("depth", "says"),
    [
        (raw_image(DEPTH[::2, ::2], "16UC1"), "the depth image is 160 x 120, the image 320 x 240: use"),
        (
            raw_image(DEPTH, "16UC1", stamp=header(frame="depth_optical")),
            "the depth image is in frame 'depth_optical'",
        ),
        (raw_image(np.zeros_like(DEPTH), "16UC1"), "the depth image has no valid pixel"),
        (raw_image(np.full(DEPTH.shape, np.nan, np.float32), "32FC1"), "the depth image has no valid pixel"),
        (raw_image(DEPTH.astype(np.float32), "32FC1"), "the median depth is 800 m, only 0.005 to 50 m are"),
        (raw_image(DEPTH.astype(np.float32) * np.float32(1e-6), "32FC1"), "the median depth is 0.0008 m"),
        (raw_image(IMAGE, "rgb8"), "unknown depth encoding 'rgb8'; known are 16UC1"),
        (Image(header=header(), encoding="16UC1"), "the depth image is 0 x 0 pixels"),
    ],
)
def test_depth_that_cannot_be_used_leaves_points_in_pixels(robot, depth, says):
    robot.told(f"depth: {says}", every=lambda: robot.show(IMAGE, depth, calibration()))
    assert robot.answer("grasp_pixels", IMAGE, depth, calibration()).polygon.points
    assert not robot.answer("grasp_points", IMAGE, depth, calibration()).poses


def test_holes_in_the_depth_of_the_part_give_a_point_beside_them(robot):
    holed = DEPTH.copy()
    holed[80:112, 200:232] = 0
    status = robot.answer_in_3d(IMAGE, holed, calibration())
    poses = robot.beside(status, "grasp_points")
    assert poses.poses[0].position.z == pytest.approx(0.76, abs=0.002)


def test_no_depth_on_the_part_is_noted(robot):
    holed = DEPTH.copy()
    holed[20:180, 170:270] = 0

    def noted() -> bool:
        values = {each.key: each.value for each in robot.heard["status"][-1].status[0].values}
        return "no valid depth on the part" in values["grasp_notes"]

    robot.until(noted, "the note", every=lambda: robot.show(IMAGE, holed, calibration()))


def info(**changes) -> CameraInfo:
    message = calibration()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("camera_info", "says"),
    [
        (info(k=[0.0] * 9), "the camera is not calibrated: K in camera_info has fx = 0"),
        (info(k=[float("nan")] * 9), "the camera is not calibrated: K in camera_info has fx = nan"),
        (info(k=[1e-38, 0.0, 160.0, 0.0, 300.0, 120.0, 0.0, 0.0, 1.0]), "camera fx = 1e-38 and cx = 160"),
        (info(distortion_model="ftheta", d=[0.1] * 4), "the lens distortion model 'ftheta' is not known"),
        (info(width=640, height=480), "the camera_info is 640 x 480, the image 320 x 240"),
        (info(binning_x=2, binning_y=2), "the camera_info, 320 x 240 before binning and region of "),
        (info(header=header(frame="other_camera")), "the camera_info is in frame 'other_camera'"),
    ],
)
def test_a_calibration_that_cannot_be_used_leaves_points_in_pixels(robot, camera_info, says):
    robot.told(f"camera_info: {says}", every=lambda: robot.show(IMAGE, DEPTH, camera_info))
    assert robot.answer("grasp_pixels", IMAGE, DEPTH, camera_info).polygon.points
    assert not robot.answer("grasp_points", IMAGE, DEPTH, camera_info).poses
