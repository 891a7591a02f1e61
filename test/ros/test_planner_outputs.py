"""Mask and cloud: read back by programs that are not ours, and made only for those who listen."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.cloud import Cloud
from selcon_ros.ros.cloud_message import FIELDS, cloud_message
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.planner_outputs import PlannerOutputs
from support import ros
from support.messages import FRAME, header
from support.ros import calibration, pixels_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)


def unpacked(message: PointCloud2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [N, 3], colours [N, 3] and heat [N], by rosbags (the bytes) and pypcd4 (the points)."""
    rosbags = pytest.importorskip("rosbags.typesys", reason="rosbags is missing: pip install rosbags")
    pypcd4 = pytest.importorskip("pypcd4", reason="pypcd4 is missing: pip install pypcd4")
    store = rosbags.get_typestore(rosbags.Stores.ROS2_HUMBLE)
    sent = store.deserialize_cdr(bytes(serialize_message(message)), "sensor_msgs/msg/PointCloud2")
    cloud = pypcd4.PointCloud.from_msg(sent)
    assert cloud.fields == FIELDS and cloud.points == message.width * message.height
    colours = pypcd4.PointCloud.decode_rgb(np.ascontiguousarray(cloud.pc_data["rgb"]))
    return cloud.numpy(("x", "y", "z")), colours, cloud.numpy(("heat",))[:, 0]


def random_cloud(shape: tuple[int, ...], seed: int, missing: float = 0.0) -> Cloud:
    random = np.random.default_rng(seed)
    points = random.normal(0, 1, (*shape, 3)).astype(np.float32)
    points[random.random(shape) < missing] = np.nan
    colours = random.integers(0, 256, (*shape, 3), np.uint8)
    return Cloud(points, colours, random.random(shape, np.float32))


@settings(max_examples=30)
@given(
    st.one_of(st.tuples(st.integers(1, 50)), st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.integers(0, 99),
)
def test_others_read_what_was_written(shape: tuple[int, ...], seed: int) -> None:
    cloud = random_cloud(shape, seed)
    message = cloud_message(cloud, header(7.0))
    assert (message.height, message.width) == (shape if len(shape) == 2 else (1, *shape))
    assert message.is_dense and message.header.stamp.sec == 7
    points, colours, heat = unpacked(message)
    np.testing.assert_array_equal(points, cloud.points.reshape(-1, 3))
    np.testing.assert_array_equal(colours, cloud.colours.reshape(-1, 3))
    np.testing.assert_array_equal(heat, cloud.heat.ravel())


def test_ros_itself_reads_it() -> None:
    reason = "sensor_msgs_py is missing: it comes with a ROS 2 installation"
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason=reason)
    cloud = random_cloud((5, 7), 1, missing=0.3)
    read = point_cloud2.read_points(cloud_message(cloud, header()), skip_nans=True)
    there = cloud.listed
    for column, name in enumerate("xyz"):
        np.testing.assert_array_equal(read[name], there.points[:, column])
    np.testing.assert_array_equal(read["heat"], there.heat)
    packed = np.ascontiguousarray(read["rgb"]).view(np.uint32)
    np.testing.assert_array_equal(packed >> 16, there.colours[:, 0])


def test_where_points_are_missing_the_cloud_is_not_dense() -> None:
    cloud = random_cloud((6, 8), 2, missing=0.5)
    message = cloud_message(cloud, header())
    assert not message.is_dense and cloud_message(cloud.listed, header()).is_dense
    points, _, _ = unpacked(message)
    np.testing.assert_array_equal(points, cloud.points.reshape(-1, 3))  # NaN where there is none


def test_a_cloud_without_points_is_a_valid_message() -> None:
    message = cloud_message(random_cloud((0,), 0), header())
    assert (message.height, message.width, len(message.data)) == (1, 0, 0)
    assert message.is_dense and len(message.fields) == len(FIELDS)


def test_nothing_is_computed_for_nobody() -> None:
    with ros.context() as context:
        node = Node("test", context=context)
        outputs = PlannerOutputs(lambda kind, name: node.create_publisher(kind, name, 1))

        damaged: Any = None
        outputs.prepare(damaged, Heatmap("hold", damaged, 0.9), unasked, unasked, Header(), Settings())()
        node.destroy_node()


def unasked() -> Any:
    raise AssertionError("asked for depth or a frame")


def test_a_mask_needs_neither_depth_nor_a_frame() -> None:
    with ros.context() as context:
        node = Node("test", context=context)
        outputs = PlannerOutputs(lambda kind, name: node.create_publisher(kind, name, 1))
        node.create_subscription(Image, "mask", lambda message: None, 1)
        end = time.monotonic() + ros.TIMEOUT
        while not outputs.have_subscribers and time.monotonic() < end:
            time.sleep(0.01)
        assert outputs.have_subscribers
        heat = Heatmap("hold", np.ones((4, 6), np.float32), 0.9)
        image = np.zeros((4, 6, 3), np.uint8)
        outputs.prepare(image, heat, unasked, unasked, header(), Settings())()
        node.destroy_node()


def cloud_of(robot: ros.Robot, image: np.ndarray, depth: np.ndarray | None) -> PointCloud2:
    robot.say("hold")
    return robot.answer(
        "cloud", image, depth, calibration(), fits=lambda message: depth is None or message.width
    )


def test_the_part_as_mask_and_as_points(start) -> None:
    robot, _ = start(outputs=("mask", "cloud"))
    image = scene(hold=PART)
    message = cloud_of(robot, image, bar_depth(320, 240, PART))
    mask_message = robot.beside(message, "mask")
    for each in (message, mask_message):
        assert each.header.frame_id == FRAME
    mask = pixels_of(mask_message)
    left, top, right, bottom = PART
    assert mask_message.encoding == "mono8" and mask.shape == (240, 320) and set(np.unique(mask)) == {0, 255}
    assert mask[(top + bottom) // 2, (left + right) // 2] == 255 and mask[0, 0] == 0

    points, colours, heat = unpacked(message)
    assert message.height == 1 and len(points) == np.count_nonzero(mask)
    v, u = np.nonzero(mask)
    z = np.where((u >= left) & (u < right) & (v >= top) & (v < bottom), 0.76, 0.80)
    expected = np.stack([(u - 159.5) / 300 * z, (v - 119.5) / 300 * z, z], axis=1)
    np.testing.assert_allclose(points, expected, atol=1e-5)
    np.testing.assert_array_equal(colours, image[v, u])
    assert heat.max() == 1.0 and heat.min() > 0.2


def test_all_points_in_rows_and_columns(start) -> None:
    robot, _ = start(outputs=("cloud",), cloud_part=False, cloud_organised=True)
    depth = bar_depth(320, 240, PART)
    depth[:20] = 0
    message = cloud_of(robot, scene(hold=PART), depth)
    assert (message.height, message.width, message.is_dense) == (240, 320, False)
    points, _, _ = unpacked(message)
    np.testing.assert_array_equal(np.isfinite(points[:, 2]), depth.ravel() > 0)


def test_without_depth_the_cloud_is_empty_and_the_mask_is_not(start) -> None:
    robot, _ = start(outputs=("mask", "cloud"), sync_wait=0.0)
    message = cloud_of(robot, scene(hold=PART), None)
    assert message.width == 0
    assert pixels_of(robot.beside(message, "mask")).any()
