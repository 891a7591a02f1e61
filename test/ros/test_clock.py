"""The node under use_sim_time, with and without a clock that runs."""

import time

from rosgraph_msgs.msg import Clock

from support.ros import calibration
from support.scenes import scene

PART = (200, 48, 232, 144)


def test_diagnostics_come_without_a_clock_and_say_that_it_is_awaited(start, monkeypatch):
    monkeypatch.setattr("selcon_ros.ros.clock.STANDSTILL_SECONDS", 0.3)
    monkeypatch.setattr("selcon_ros.ros.camera_watch.SILENCE_SECONDS", 0.3)
    robot, _ = start(outputs=("heatmap",), action="hold", use_sim_time=True)
    robot.told("use_sim_time is true and nobody publishes /clock: start the simulator")
    robot.told("camera: no image for")
    stamp = robot.heard["diagnostics"][-1].header.stamp
    assert abs(stamp.sec - time.time()) < 100

    clock = robot.create_publisher(Clock, "/clock", 1)
    robot.told("/clock has not told the time yet: is the simulation paused?")
    said = Clock()
    said.clock.sec = 50
    clock.publish(said)
    robot.told("/clock stands still at 50.0 s", every=lambda: clock.publish(said))
    assert robot.heard["diagnostics"][-1].header.stamp.sec == 50
    # Images are answered all the same: their stamps count, not the clock.
    robot.answer("heatmap", scene(hold=PART), info=calibration())

    def run() -> None:
        said.clock.sec += 1
        clock.publish(said)

    robot.until(lambda: "clock" not in robot.problems(), "the clock", every=run)


def test_a_time_before_zero_is_left_out(start):
    robot, node = start(outputs=("heatmap",), action="hold", use_sim_time=True)
    clock = robot.create_publisher(Clock, "/clock", 1)
    said = Clock()

    def tell(seconds: int) -> None:
        said.clock.sec = seconds
        clock.publish(said)

    robot.until(lambda: node.get_clock().now().nanoseconds == 7 * 10**9, "7 s", every=lambda: tell(7))
    for _ in range(5):
        tell(-3)
        robot.spin(0.1)
    robot.until(lambda: node.get_clock().now().nanoseconds == 9 * 10**9, "9 s", every=lambda: tell(9))
    robot.answer("heatmap", scene(hold=PART), info=calibration())
