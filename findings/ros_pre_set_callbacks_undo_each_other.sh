#!/bin/bash
# rclpy: of two callbacks that change parameters before they are set, the one that was added first undoes the other's.
#
# Versions: rclpy 9.1.2 (Kilted), Python 3.11.
# Expected: with add_pre_set_parameters_callback, each callback changes what the one before it made of the list, as in
#   rclcpp, where all are given the same list: a speed of 9 is limited to 1, whatever other callbacks there are.
# Happens: every callback is given the list as it came, and what they return is put together into one. A parameter is
#   in it once for each callback, and the last one counts: that of the callback that was added first. So a limit is
#   lost where another callback that has nothing to do with the speed, and returns it as it got it, was added before.
#   The set is called successful, and the ParameterEvent carries both values.
# Seen:
#   limit alone: speed is 1.0; event: 1.0
#   limit added first: speed is 1.0; event: 9.0, 1.0
#   limit added second: speed is 9.0; event: 1.0, 9.0
# To do: one such callback per node, which calls the others one after another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
export AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder ROS_DOMAIN_ID=89 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
cat > "$folder/node.py" <<'PY'
import time

import rclpy
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter


def limit(parameters):
    return [Parameter(p.name, value=min(p.value, 1.0)) if p.name == "speed" else p for p in parameters]


def stamp(parameters):
    return [*parameters, Parameter("changed_by", value="a person")]


rclpy.init()
rounds = {"limit alone": [limit], "limit added first": [limit, stamp], "limit added second": [stamp, limit]}
for number, (how, callbacks) in enumerate(rounds.items()):
    node, events = rclpy.create_node(f"robot{number}"), []
    node.declare_parameter("speed", 0.5)
    node.declare_parameter("changed_by", "")
    for callback in callbacks:
        node.add_pre_set_parameters_callback(callback)
    node.create_subscription(ParameterEvent, "/parameter_events", events.append, 10)
    end = time.monotonic() + 10
    while node.count_subscribers("/parameter_events") < 1 and time.monotonic() < end:
        time.sleep(0.1)
    (result,) = node.set_parameters([Parameter("speed", value=9.0)])
    assert result.successful
    while not events and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    said = ", ".join(str(p.value.double_value) for p in events[-1].changed_parameters if p.name == "speed")
    print(f"{how}: speed is {node.get_parameter('speed').value}; event: {said}")
    node.destroy_node()
PY
said=$("$folder/venv/bin/python" "$folder/node.py")
echo "$said"
[ "$said" = "$(sed -n 's/^#   \(limit \(alone\|added .*\): speed is\)/\1/p' "$0")" ]
