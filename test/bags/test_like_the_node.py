"""A bag's answers are the node's."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from support import ros
from support.bags import camera, messages, rows, write_bag


@pytest.mark.parametrize(
    ("action", "topic", "turn"),
    [("hold", "heatmap", 0), ("hold", "heatmap", 90), ("hold,cut_with", "heatmap/hold", 0)],
)
def test_the_node_gives_the_same_answers(
    tmp_path: Path,
    ground: Callable[..., Result],
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    topic: str,
    turn: int,
) -> None:
    """Of several actions, the node's topics without a name are those of the first."""
    for name, value in {**ros.ENVIRONMENT, "ROS_LOG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    frames = camera(2)
    bag = write_bag(tmp_path / "bag", frames)
    assert ground(bag, "--image-turn", str(turn), action=action).exit_code == 0
    table = [row for row in rows(tmp_path / "out") if row["action"] == "hold"]
    heatmaps = messages(tmp_path / "out" / "bag")[f"/affordance/{topic}"]
    with ros.context() as context, ros.running_node(context, bundle, action=action, image_turn=turn):
        robot = ros.Robot(context, ("heatmap", "grasp_points", "status"))
        robot.connect()
        for index, row in enumerate(table):
            info, depth, image = (message for _, message, _ in frames[3 * index : 3 * index + 3])
            poses = robot.answer("grasp_points", image, depth, info, fits=lambda message: message.poses)
            mine = deserialize_message(heatmaps[index][1], Image)
            theirs = robot.beside(poses, "heatmap")
            assert np.array_equal(ros.pixels_of(mine), ros.pixels_of(theirs))
            pose = poses.poses[0]
            position = [float(row[name]) for name in ("x", "y", "z")]
            assert position == [pose.position.x, pose.position.y, pose.position.z]
            quaternion = [float(row[name]) for name in ("qx", "qy", "qz", "qw")]
            turned = [pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w]
            assert all(map(math.isclose, quaternion, turned))
        robot.destroy_node()
