#!/bin/bash
# rclpy with use_sim_time and no /clock: timers never fire, and nothing says so.
#
# Versions: rclpy 9.1.2 (Kilted), Python 3.11.
# Expected: either everything goes by simulated time, or what watches over a node (diagnostics on a timer) goes on; or
#   a word that no time comes.
# Happens: a node's timer waits for ever, silently, while a timer on a steady clock fires. A node that publishes its
#   diagnostics from a usual timer is mute just when the missing clock would have to be reported.
# Seen (three seconds):
#   timers of the node's clock: 0, of a steady clock: 15
#   now: 0
# To do: timers that report trouble get Clock(clock_type=ClockType.STEADY_TIME).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=89
"$folder/venv/bin/python" - <<'PY'
import time

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter

rclpy.init()
node = rclpy.create_node("simulated", parameter_overrides=[Parameter("use_sim_time", value=True)])
usual, steady = [], []
node.create_timer(0.2, lambda: usual.append(1))
node.create_timer(0.2, lambda: steady.append(1), clock=Clock(clock_type=ClockType.STEADY_TIME))
end = time.monotonic() + 3
while time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
now = node.get_clock().now().nanoseconds
print(f"timers of the node's clock: {len(usual)}, of a steady clock: {len(steady)}\nnow: {now}")
assert not usual and len(steady) > 5 and now == 0, "the behaviour has changed"
PY
