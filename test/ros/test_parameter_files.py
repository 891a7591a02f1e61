"""A parameter file that names other nodes alone is told; which names are meant is ROS's own rule."""

import os

import pytest
from rclpy.node import Node

from selcon_ros.ros.parameter_files import files_for_others
from support.ros import context

FILES = [
    ("/**:\n  ros__parameters: {threshold: 0.4}\n", True),
    ("/affordance/grounding:\n  ros__parameters: {threshold: 0.4}\n", True),
    ("affordance:\n  grounding:\n    ros__parameters: {threshold: 0.4}\n", True),
    ("affordance:\n  '*':\n    ros__parameters: {threshold: 0.4}\n", True),
    ("/**/grounding:\n  ros__parameters: {threshold: 0.4}\n", True),
    ("/*/grounding:\n  ros__parameters: {threshold: 0.4}\n", True),
    ("camera:\n  ros__parameters: {threshold: 1}\n/**:\n  ros__parameters: {threshold: 0.4}\n", True),
    ("grounding:\n  ros__parameters: {threshold: 0.4}\n", False),
    ("/*:\n  ros__parameters: {threshold: 0.4}\n", False),
    ("/affordance:\n  ros__parameters: {threshold: 0.4}\n", False),
    ("/robot/affordance/grounding:\n  ros__parameters: {threshold: 0.4}\n", False),
]


@pytest.mark.parametrize(("text", "meant"), FILES)
def test_a_file_for_other_nodes_is_told_as_ros_reads_it(tmp_path, text, meant):
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    arguments = ["--ros-args", "--params-file", str(file)]
    with context() as made:
        node = Node("grounding", namespace="affordance", context=made, cli_args=arguments)
        assert node.get_fully_qualified_name() == "/affordance/grounding"
        taken = "threshold" in node._parameter_overrides
        node.destroy_node()
    said = files_for_others(arguments, "/affordance/grounding")
    assert taken == meant == (not said)
    assert meant or f"not for this node: name it '/**' there, or {'/affordance/grounding'!r}" in said


def test_what_ros_reads_and_this_package_does_not_is_passed_over(tmp_path):
    empty, other = tmp_path / "empty.yaml", tmp_path / "list.yaml"
    empty.write_text("")
    other.write_text("[1, 2]\n")
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)  # ROS has read it, and nobody will write to it again
    for file in (empty, other, pipe, tmp_path / "nowhere.yaml"):
        assert files_for_others(["--params-file", str(file)], "/grounding") == ""


def test_the_node_warns_of_it_as_long_as_it_runs(start, tmp_path, monkeypatch):
    file = tmp_path / "robot.yaml"
    file.write_text("grounding:\n  ros__parameters: {threshold: 0.4}\n")
    monkeypatch.setattr("sys.argv", ["grounding_node", "--params-file", str(file)])
    robot, _ = start(outputs=())
    robot.told("robot.yaml' is for '/grounding', not for this node")
