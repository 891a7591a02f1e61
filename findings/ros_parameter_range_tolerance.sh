#!/bin/bash
# A ROS 2 parameter with a range takes values outside it, by a millionth of the bound, and keeps them as they are.
#
# Versions: rclpy 9.1.2 (Kilted), rcl_interfaces 2.3.0, Python 3.11.
# Expected: from_value and to_value are bounds, and both are allowed: a value above to_value is refused or clamped.
# Happens: the comparison has a relative tolerance of 1e-6. With a range of 0 to 1, 1.000001 is taken; with 0 to
#   1000000, 1000000.9. The node reads back the value that lies outside.
# Seen:
#   range 0 to 1, set to 1.000001: taken, is now 1.000001
#   range 0 to 1, set to 1.00001: refused, is now 1.000001
#   range 0 to 1e+06, set to 1000000.9: taken, is now 1000000.9
# To do: clamp what is read where a bound must hold, as before a square root of 1 - x.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install ros-rclpy==9.1.2 ros-rmw-fastrtps-cpp==9.3.3
AMENT_PREFIX_PATH=$folder/venv ROS_LOG_DIR=$folder "$folder/venv/bin/python" - <<'PY'
import rclpy
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.parameter import Parameter

rclpy.init()
node = rclpy.create_node("ranges")
results = []
for name, high, values in (("small", 1.0, (1.000001, 1.00001)), ("large", 1e6, (1000000.9,))):
    bounds = FloatingPointRange(from_value=0.0, to_value=high)
    node.declare_parameter(name, 0.5, ParameterDescriptor(floating_point_range=[bounds]))
    for value in values:
        done = node.set_parameters([Parameter(name, value=value)])[0].successful
        now = node.get_parameter(name).value
        print(f"range 0 to {high:g}, set to {value}: {'taken' if done else 'refused'}, is now {now}")
        results.append((done, now))
assert results == [(True, 1.000001), (False, 1.000001), (True, 1000000.9)], "the behaviour has changed"
PY
