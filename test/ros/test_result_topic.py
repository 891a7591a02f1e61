"""The topic `result` of a running node, and a node that has to do without the message package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selcon_ros.ros import interfaces
from support.ros import RELIABLE, calibration
from support.scenes import bar_depth, scene

ROOT = Path(__file__).parents[2]
PART = (60, 48, 92, 144)
OTHER = (200, 48, 232, 144)
built = pytest.mark.skipif(
    bool(interfaces.MISSING),
    reason="selcon_interfaces is not built: python tools/build_interfaces.py, or colcon",
)


@built
def test_a_result_agrees_with_the_other_outputs(start):
    robot, _ = start(action="hold")
    status = robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), calibration())
    result = robot.beside(status, "result")
    values = {each.key: each.value for each in status.status[0].values}
    poses = robot.beside(status, "grasp_points")
    assert result.header == poses.header
    assert (result.action, f"{result.confidence:.4f}") == ("hold", values["confidence"])
    assert (result.image_height, result.image_width) == (240, 320)
    assert [each.pose for each in result.grasps] == poses.poses
    assert " ".join(f"{each.width:.4f}" for each in result.grasps) == values["widths_m"]
    pixels = robot.beside(status, "grasp_pixels").polygon.points
    assert [(each.pixel.x, each.pixel.y) for each in result.grasps] == [(each.x, each.y) for each in pixels]
    roi = result.grasps[0].part.roi
    assert PART[0] - 8 < roi.x_offset < roi.x_offset + roi.width < PART[2] + 8
    milliseconds = result.times.latency.sec * 1e3 + result.times.latency.nanosec / 1e6
    assert milliseconds == pytest.approx(float(values["latency_ms"]), abs=0.001)
    assert result.model == robot.facts()["model"] and robot.facts()["interfaces"] == "selcon_interfaces"


@built
def test_a_result_alone_brings_the_grasps_and_says_what_is_missing(start):
    robot, _ = start(outputs=("result",), action="hold")
    result = robot.answer("result", scene(hold=PART), fits=lambda message: message.grasps)
    assert [each.has_pose for each in result.grasps] == [False]
    assert result.grasps[0].reason.code == interfaces.Reason.NO_DEPTH
    result = robot.answer("result", scene())
    assert not result.grasps
    assert [each.code for each in result.reasons] == [interfaces.Reason.LOW_CONFIDENCE]


@built
def test_each_of_several_actions_has_its_results(start):
    robot, _ = start(outputs=("result",), action="hold, pour")
    robot.create_subscription(
        interfaces.AffordanceResult, "result/pour", robot._keeper("result/pour"), RELIABLE
    )
    robot.until(lambda: robot.count_publishers("/affordance/result/pour"), "the topics of pour")
    pour = robot.answer("result/pour", scene(hold=PART, pour=OTHER), fits=lambda message: message.grasps)
    hold = robot.beside(pour, "result")
    assert (hold.action, pour.action) == ("hold", "pour")
    assert hold.grasps[0].pixel.x < OTHER[0] <= pour.grasps[0].pixel.x


MISSING = "sys.modules['selcon_interfaces'] = None"
SOURCES_ALONE = (
    "from types import ModuleType\n"
    "found = sys.modules['selcon_interfaces'] = ModuleType('selcon_interfaces')\n"
    f"found.__path__ = [{str(ROOT / 'selcon_interfaces')!r}]"
)
OLDER = (
    "import selcon_interfaces.msg as old\n"
    "old.Grasp = type('Grasp', (), {'get_fields_and_field_types': staticmethod(lambda: {'pose': 'x'})})"
)
NOT_THERE = "is not there ("
NODE = """
from pathlib import Path
from support import ros
from support.scenes import scene
with ros.context() as context, ros.running_node(context, Path(sys.argv[1]), action="hold") as node:
    robot = ros.Robot(context, ("heatmap",))
    robot.connect()
    robot.answer("heatmap", scene(hold=(60, 48, 92, 144)))
    print(robot.facts()["interfaces"])
    print(*node._results.topics)
    robot.destroy_node()
"""


@pytest.mark.parametrize(
    ("without", "why"),
    [
        pytest.param(MISSING, NOT_THERE, id="nothing"),
        pytest.param(SOURCES_ALONE, NOT_THERE, id="the folder of its sources"),
        pytest.param(
            OLDER,
            "is of another version (it lacks Grasp.has_pose, Grasp.width, ",
            id="an older one",
            marks=built,
        ),
    ],
)
def test_a_node_without_the_package_says_so_and_works(bundle, without, why):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "test"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{without}\n{NODE}", str(bundle)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said, topics = done.stdout.splitlines()
    assert said.startswith(f"no typed results and requests, for the optional selcon_interfaces {why}")
    assert said.endswith(": to have them, build and source it as docs/interfaces.md says")
    assert "/affordance/heatmap" in topics.split() and "/affordance/result" not in topics.split()
    assert said in done.stderr  # in the log, too
