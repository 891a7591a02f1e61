"""On a ROS installation, for `launch_test`: the launch file's node answers an image and ends cleanly."""

import time
import unittest
from pathlib import Path

import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from launch import LaunchDescription

WAIT = 120.0  # seconds, for a machine that does other things as well


def generate_test_description() -> LaunchDescription:
    """Start the node as a user does, with an action."""
    file = Path(get_package_share_directory("selcon_ros"), "launch", "grounding.launch.py")
    arguments = {"image": "/camera/image", "action": "hold"}
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(file)), launch_arguments=arguments.items()
    )
    return LaunchDescription([node, launch_testing.actions.ReadyToTest()])


class TestAnswer(unittest.TestCase):
    """While the node runs."""

    def setUp(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("camera")

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def test_an_image_is_answered_with_its_heatmap(self) -> None:
        heatmaps: list[Image] = []
        self.node.create_subscription(Image, "/affordance/heatmap", heatmaps.append, 1)
        camera = self.node.create_publisher(Image, "/camera/image", qos_profile_sensor_data)
        end = time.monotonic() + WAIT
        while not heatmaps and time.monotonic() < end:
            camera.publish(self.image())
            rclpy.spin_once(self.node, timeout_sec=0.5)
        assert heatmaps, "no heatmap came"
        answer = heatmaps[0]
        assert (answer.width, answer.height, answer.encoding) == (64, 48, "32FC1")
        assert answer.header.frame_id == "camera_optical"

    def image(self) -> Image:
        """Return a picture with a step in brightness, stamped now."""
        image = Image(width=64, height=48, step=192, encoding="rgb8")
        image.header.frame_id = "camera_optical"
        image.header.stamp = self.node.get_clock().now().to_msg()
        image.data = bytes(96 * [40] + 96 * [200]) * 48
        return image


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """After the launch has stopped the node."""

    def test_every_process_ends_with_exit_status_0(self, proc_info: object) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
