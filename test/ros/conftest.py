"""Tests of the ROS shell need rclpy and the message packages, and talk in a ROS domain of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

try:
    import rclpy  # noqa: F401
except ImportError:
    pytest.skip(
        "rclpy is missing: pip install 'selcon_ros[ros]', or source a ROS 2 installation",
        allow_module_level=True,
    )

from support import ros
from support.lifecycle import Manager

os.environ.update(ros.ENVIRONMENT)


@pytest.fixture(scope="session", autouse=True)
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where ROS writes its log files."""
    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("ros_log"))


Start = Callable[..., tuple[ros.Robot, Any]]


@pytest.fixture
def start(bundle: Path) -> Iterator[Start]:
    """Start a node and a robot: start(outputs=..., image_type=..., open_model=..., PARAMETER=...).

    With connect=False nothing is waited for, for a node that does not subscribe yet.
    """
    with ExitStack() as stack:

        def begin(
            outputs: tuple[str, ...] = tuple(ros.OUTPUTS),
            image_type: type = ros.Image,
            connect: bool = True,
            **settings: Any,
        ):
            context = stack.enter_context(ros.context())
            node = stack.enter_context(ros.running_node(context, settings.pop("bundle", bundle), **settings))
            robot = ros.Robot(context, outputs, image_type)
            stack.callback(robot.destroy_node)
            if connect:
                robot.connect(node)
            return robot, node

        yield begin


@pytest.fixture
def managed(start):
    """Start a node that waits for its manager, and return robot, node and manager."""

    def begin(**options):
        robot, node = start(autostart=False, connect=False, **options)
        manager = Manager(robot)
        robot.until(lambda: robot.heard["diagnostics"], "diagnostics")
        return robot, node, manager

    return begin
