"""Two robots on one machine, each with its camera and its node: a namespace and cores of its own."""

import os
import subprocess
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np
import pytest

from support import ros
from support.node_process import node_process
from support.ros import Robot, pixels_of
from support.scenes import scene

HOLD, POUR = (200, 48, 232, 144), (40, 140, 120, 180)
IMAGE = scene(hold=HOLD, pour=POUR)
CORES = sorted(os.sched_getaffinity(0))


def node(bundle: Path, namespace: str, core: int, log: Path) -> AbstractContextManager[subprocess.Popen]:
    """A node in a process of its own, which computes on one core."""
    options = {"bundle": bundle, "cores": f"'{core}'", "threads": 1, "diagnostics_period": 0.1}
    return node_process(log, namespace, **options)


def kept_to(process: subprocess.Popen, core: int) -> bool:
    """Whether a thread of the process, that which grounds images, keeps to this core."""
    masks = (os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{process.pid}/task").iterdir())
    return {core} in masks


@pytest.mark.skipif(len(CORES) < 2, reason="two nodes on cores of their own need two cores")
def test_two_robots_have_their_own_answers_on_their_own_cores(bundle, tmp_path) -> None:
    with ExitStack() as stack:
        context = stack.enter_context(ros.context())
        first = stack.enter_context(node(bundle, "left/affordance", CORES[0], tmp_path / "left"))
        second = stack.enter_context(node(bundle, "right/affordance", CORES[1], tmp_path / "right"))
        robots = {
            side: Robot(context, ("heatmap", "status"), namespace=f"{side}/affordance")
            for side in ("left", "right")
        }
        for side, action, (left, top, right, bottom) in (("left", "hold", HOLD), ("right", "pour", POUR)):
            robot = robots[side]
            robot.connect()
            robot.say(action)
            heat = pixels_of(robot.answer("heatmap", IMAGE, fits=lambda message: pixels_of(message).any()))
            v, u = np.unravel_index(heat.argmax(), heat.shape)
            assert left <= u < right and top <= v < bottom
        assert kept_to(first, CORES[0]) and not kept_to(first, CORES[1])
        assert kept_to(second, CORES[1]) and not kept_to(second, CORES[0])
        for side, robot in robots.items():
            robot.answer("status", IMAGE)
            assert {each.status[0].name for each in robot.heard["status"]} == {
                f"/{side}/affordance/grounding"
            }
            assert not [each for each in robot.heard["diagnostics"] if "node name" in each.status[0].message]
            robot.destroy_node()
