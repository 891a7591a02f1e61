"""Arguments that a launch file does not have are named, with what was probably meant."""

from pathlib import Path

import pytest

from selcon_ros.ros.launch_arguments import unknown_argument

FILE = Path(__file__).parent / "grounding.launch.py"
DECLARED = ("image", "depth", "min_confidence", "params_file")
START = ("/opt/ros/bin/ros2", "launch", "selcon_ros", "grounding.launch.py")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (START, ""),
        ((*START, "image:=/a:=b", "depth:=/c", "--noninteractive"), ""),
        ((*START, "imagee:=/a"), "grounding.launch.py has no argument 'imagee': did you mean image?"),
        ((*START, "min_confidance:=0.9"), "did you mean min_confidence?"),
        ((*START, "threshold:=0.4"), "it is a parameter of the node, set it in the file that params_file"),
        ((*START, "zz:=1"), "'zz': it has depth, image, min_confidence, params_file"),
        (("ros2", "launch", str(FILE), "imagee:=/a"), "'imagee'"),
        # Where another launch file includes this one, its arguments are its own.
        (("ros2", "launch", "my_robot", "robot.launch.py", "imagee:=/a"), ""),
        (("ros2", "launch", "my_robot", "grounding.launch.py", "imagee:=/a"), ""),
        ((), ""),
    ],
)
def test_what_is_said_of_a_command_line(command, says):
    said = unknown_argument(command, FILE, DECLARED)
    assert says in said and bool(says) == bool(said)
